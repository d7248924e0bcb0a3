"""Images in: uploads, or folders on the server, become jobs that survive a crash."""

import asyncio
import re
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from indexer.index.errors import NoCommit, UnknownCollection
from indexer.index.layout import collection_path
from indexer.index.manifest import read_manifest
from indexer.ledger.jobs import Job
from service.errors import InvalidRequest
from service.parts import InParts, Parts
from service.routes.jobs import job_response, wait_until_finished
from service.schemas import IndexRequest, JobResponse
from service.uploads import Submission, list_folders, spool_uploads

router = APIRouter(prefix="/index", tags=["index"])

LONGEST_WAIT_S: Final = 300.0
WAIT: Final = re.compile(r"(\d+(?:\.\d+)?)s?")
MULTIPART: Final = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "collection": {"type": "string", "default": "default"},
    },
}
REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": MULTIPART},
            "application/json": {"schema": IndexRequest.model_json_schema()},
        },
    }
}


@router.post(
    "",
    summary="Index uploads (multipart) or folders on the server (JSON)",
    status_code=202,
    response_model=JobResponse,
    responses={200: {"model": JobResponse, "description": "finished within `wait`"}},
    openapi_extra=REQUEST_BODY,
)
async def submit(
    request: Request,
    response: Response,
    parts: InParts,
    wait: Annotated[str | None, Query(description="seconds to wait for the end of the job, as in 30 or 30s")] = None,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> JobResponse:
    """Answered with 202 when every byte and the job itself are on the disk: from then on nothing is lost."""
    seconds = _seconds(wait)
    submission = await _read(request, parts)
    await asyncio.to_thread(_check_collection, parts, submission.collection)
    job = await asyncio.to_thread(_submit, parts, submission, idempotency_key)
    if seconds:
        job = await wait_until_finished(parts, job.id, seconds)
    if job.finished_at is not None and seconds:
        response.status_code = 200
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = "1"
    return job_response(job)


async def _read(request: Request, parts: Parts) -> Submission:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, parts)
    if kind == "application/json":
        try:
            asked = IndexRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from error
        folders, roots = [source.path for source in asked.sources], parts.settings.roots
        return await asyncio.to_thread(list_folders, folders, collection=asked.collection, roots=roots)
    raise HTTPException(415, "send multipart/form-data with files, or application/json with sources")


async def _read_form(request: Request, parts: Parts) -> Submission:
    async with request.form(max_files=parts.settings.max_files, max_fields=16) as form:
        uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not uploads:
            raise InvalidRequest("the form holds no file: send the photographs as `files`")
        return await asyncio.to_thread(
            spool_uploads,
            parts.spool,
            uploads,
            collection=str(form.get("collection", "default")),
            limit=parts.settings.max_file_bytes,
        )


def _check_collection(parts: Parts, name: str) -> None:
    """Raises BadCollectionName, and ModelMismatch before anything is queued that could only fail."""
    path = collection_path(parts.data, name)
    with suppress(UnknownCollection, NoCommit):  # its first images make it
        read_manifest(path).encoder.check_fingerprint(parts.encoder.fingerprint)


def _submit(parts: Parts, submission: Submission, idempotency_key: str | None) -> Job:
    job = parts.ledger.submit(
        submission.collection, submission.items, idempotency_key=idempotency_key, request_digest=submission.digest
    )
    if parts.wake_up is not None:
        parts.wake_up.ring()
    return job


def _seconds(wait: str | None) -> float:
    if wait is None:
        return 0.0
    match = WAIT.fullmatch(wait)
    if match is None:
        raise InvalidRequest(f"wait={wait!r} is no number of seconds: say 30 or 30s")
    return min(float(match[1]), LONGEST_WAIT_S)
