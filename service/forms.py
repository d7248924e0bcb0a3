"""Forms with photographs in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import HTTPException, Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import TooManyFiles

MAX_FIELDS: Final = 16


@asynccontextmanager
async def multipart_form(request: Request, *, max_files: int) -> AsyncIterator[FormData]:
    """The form and its files, which are gone when the context ends. Raises TooManyFiles."""
    parser = _Parser(request.headers, request.stream(), max_files=max_files, max_fields=MAX_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise TooManyFiles(f"the form holds more than {max_files} files: send them in several requests") from error
        raise HTTPException(400, f"the body is not a multipart form: {error.message}") from error
    try:
        yield form
    finally:
        await form.close()


class _Parser(MultiPartParser):
    spool_max_size = 2**16  # of each file in memory: by default a thousand of them may hold a megabyte each
