"""Every request has an id, in its answer and in the log; the time it took and its fate are counted."""

import secrets
import time
from typing import Final

import structlog
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Metrics

HEADER: Final = "x-request-id"
logger = structlog.get_logger(__name__)


def request_id_of(request: Request) -> str:
    identity: str = request.state.request_id
    return identity


class RequestObserver:
    """ASGI middleware; the outermost, so that errors have an id too."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, identity, status = time.perf_counter(), secrets.token_hex(8), 500
        scope.setdefault("state", {})["request_id"] = identity

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER.encode(), identity.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            route = scope.get("route")
            path = route.path if route is not None else "unmatched"
            self._metrics.answered(path, scope["method"], status, seconds)
            logger.info(
                "answered", request_id=identity, method=scope["method"], path=scope["path"], status=status,
                ms=round(seconds * 1000, 1),
            )  # fmt: skip
