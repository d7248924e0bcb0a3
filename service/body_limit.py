"""No body is longer than its route has use for, whatever length it declares."""

from http import HTTPStatus
from typing import Final

from fastapi import HTTPException, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import problem

LONGEST_JSON: Final = 2**20  # bytes
UPLOADED_TO: Final = ("/index", "/v1/index")


class BodyLimit:
    """ASGI middleware. FastAPI's own answers in plain text, and knows no content types."""

    def __init__(self, app: ASGIApp, *, longest_form: int) -> None:
        self._app = app
        self._longest_form = longest_form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, received = Headers(scope=scope), 0
        limit = self._limit(scope["path"], headers)
        detail = f"the body has more than {limit} bytes, which is the limit here"

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            refusal = problem(Request(scope), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large", detail)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive_within_limit, send)

    def _limit(self, path: str, headers: Headers) -> int:
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        return self._longest_form if is_form and path in UPLOADED_TO else LONGEST_JSON
