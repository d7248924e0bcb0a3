"""Every error leaves as a problem document (RFC 9457), whoever raised it; the codes and statuses stand here alone."""

import errno
import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from indexer.index.errors import (
    BadCollectionName,
    IndexFault,
    ModelMismatch,
    NoCommit,
    UnknownCollection,
    WriterBusy,
)
from indexer.ledger.errors import DiskFull, IdempotencyKeyReused, LedgerBusy, NoSuchPath, OutsideRoots, UnknownJob
from model.errors import BadSentence, NoExplanation
from service.errors import InvalidRequest, NotFound, Overloaded, TooManyFiles
from service.request_ids import HEADER, request_id_of
from service.schemas import Problem

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

# The first class that an error is an instance of decides.
PROBLEM_OF: Final[dict[type[Exception], tuple[HTTPStatus, str]]] = {
    BadSentence: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request"),
    BadCollectionName: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request"),
    InvalidRequest: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request"),
    NoExplanation: (HTTPStatus.UNPROCESSABLE_ENTITY, "no_explanation"),
    NotFound: (HTTPStatus.NOT_FOUND, "not_found"),
    UnknownJob: (HTTPStatus.NOT_FOUND, "not_found"),
    UnknownCollection: (HTTPStatus.NOT_FOUND, "not_found"),
    NoSuchPath: (HTTPStatus.NOT_FOUND, "not_found"),
    OutsideRoots: (HTTPStatus.FORBIDDEN, "forbidden"),
    NoCommit: (HTTPStatus.SERVICE_UNAVAILABLE, "index_not_ready"),
    ModelMismatch: (HTTPStatus.CONFLICT, "model_mismatch"),
    IdempotencyKeyReused: (HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
    TooManyFiles: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_files"),
    ClientDisconnect: (HTTPStatus.BAD_REQUEST, "invalid_request"),  # which nobody reads
    DiskFull: (HTTPStatus.INSUFFICIENT_STORAGE, "disk_full"),
    Overloaded: (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    WriterBusy: (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    LedgerBusy: (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    IndexFault: (HTTPStatus.SERVICE_UNAVAILABLE, "index_not_ready"),
}
CODE_OF_STATUS: Final = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "invalid_request",
    422: "invalid_request",
    429: "rate_limited",
    503: "overloaded",
}
DOCUMENTED: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "content": {MEDIA_TYPE: {}}} for status in (400, 403, 404, 409, 413, 415, 422, 503, 507)
}


def install(app: FastAPI) -> None:
    for kind in PROBLEM_OF:
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _of_the_system)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    request: Request, status: HTTPStatus, code: str, detail: str, *, errors: list[dict[str, str]] | None = None
) -> JSONResponse:
    body = _described(request, status, code, detail, errors=errors)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def problem_of(request: Request, error: Exception) -> Problem:
    """What is told of an error that concerns a part of a request alone; one that was not foreseen is raised again."""
    told = next((told for kind, told in PROBLEM_OF.items() if isinstance(error, kind)), None)
    if told is None:
        raise error
    return _described(request, *told, str(error), errors=None)


def _described(
    request: Request, status: HTTPStatus, code: str, detail: str, *, errors: list[dict[str, str]] | None
) -> Problem:
    return Problem(
        type=f"urn:teran:problem:{code}",
        title=status.phrase,
        status=status,
        code=code,
        detail=detail,
        instance=request.url.path,
        request_id=request_id_of(request),
        errors=errors or [],
    )


async def _told(request: Request, error: Exception) -> JSONResponse:
    status, code = next(told for kind, told in PROBLEM_OF.items() if isinstance(error, kind))
    return problem(request, status, code, str(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if error.errors()[0]["type"] == "json_invalid":
        reason = error.errors()[0].get("ctx", {}).get("error", "")
        return problem(request, HTTPStatus.BAD_REQUEST, "invalid_request", f"the body is not JSON: {reason}")
    errors = [
        {"pointer": "/" + "/".join(str(part) for part in fault["loc"][1:]), "detail": str(fault["msg"])}
        for fault in error.errors()
    ]
    told = "; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in errors[:3])
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", told, errors=errors)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    response = problem(request, status, CODE_OF_STATUS.get(status, "invalid_request"), str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _of_the_system(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        detail = "there is no room to write: what was acknowledged is safe, searches go on"
        return problem(request, HTTPStatus.INSUFFICIENT_STORAGE, "disk_full", detail)
    raise error


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("request %s failed", request_id_of(request), exc_info=error)
    detail = "an error that was not foreseen: see the log"
    response = problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail)
    response.headers[HEADER] = request_id_of(request)  # it leaves outside of the middleware that adds it to the others
    return response
