"""Images in: uploads, or folders on the server, become jobs that survive a crash."""

import asyncio
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from indexer.ledger.jobs import Job
from service.errors import InvalidRequest
from service.forms import multipart_form
from service.intake import name_of, submit_folders, submit_uploads
from service.parts import InParts, Parts
from service.routes.jobs import job_response, wait_until_finished
from service.schemas import IndexRequest, JobResponse
from service.upload_manifest import read_manifest

router = APIRouter(prefix="/index", tags=["index"])

LONGEST_WAIT_S: Final = 300.0
LONGEST_MANIFEST: Final = 2**24  # bytes
WAIT: Final = re.compile(r"(\d+(?:\.\d+)?)s?")
MULTIPART: Final = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "collection": {"type": "string", "default": "default"},
        "manifest": {
            "type": "string",
            "description": 'JSON lines of {"filename", "metadata"}: kept of new photographs, and what filters ask for',
        },
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
    match request.headers.get("content-type", "").split(";")[0].strip().lower():
        case "multipart/form-data":
            job = await _submit_form(request, parts, idempotency_key)
        case "application/json":
            job = await _submit_json(request, parts, idempotency_key)
        case _:
            raise HTTPException(415, "send multipart/form-data with files, or application/json with sources")
    if parts.wake_up is not None:
        await asyncio.to_thread(parts.wake_up.ring)
    if seconds:
        job = await wait_until_finished(parts, job.id, seconds)
        response.status_code = 202 if job.finished_at is None else 200
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = "1"
    return job_response(job)


async def _submit_form(request: Request, parts: Parts, idempotency_key: str | None) -> Job:
    async with multipart_form(request, max_files=parts.settings.max_files) as form:
        told = await _text_of(form.get("manifest", ""))
        uploads = [value for key, value in form.multi_items() if isinstance(value, UploadFile) and key != "manifest"]
        if not uploads:
            raise InvalidRequest("the form holds no file: send the photographs as `files`")
        collection = str(form.get("collection", "default"))
        metadata = read_manifest(told, filenames={name_of(upload) for upload in uploads})
        return await parts.write(
            submit_uploads, parts, uploads, metadata, collection=collection, idempotency_key=idempotency_key
        )


async def _text_of(field: UploadFile | str) -> str:
    """A field that may be sent as text or as a file."""
    if isinstance(field, str):
        return field
    data = await field.read(LONGEST_MANIFEST + 1)
    if len(data) > LONGEST_MANIFEST:
        raise InvalidRequest(f"the manifest is larger than {LONGEST_MANIFEST:,} bytes: send fewer files at once")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the manifest is not UTF-8: {error}") from error


async def _submit_json(request: Request, parts: Parts, idempotency_key: str | None) -> Job:
    try:
        asked = IndexRequest.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in error.errors()]) from error
    folders = [source.path for source in asked.sources]
    return await parts.write(
        submit_folders, parts, folders, collection=asked.collection, idempotency_key=idempotency_key
    )


def _seconds(wait: str | None) -> float:
    if wait is None:
        return 0.0
    match = WAIT.fullmatch(wait)
    if match is None:
        raise InvalidRequest(f"wait={wait!r} is no number of seconds: say 30 or 30s")
    return min(float(match[1]), LONGEST_WAIT_S)
