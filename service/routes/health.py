"""For those who run the service."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from indexer.index.errors import IndexFault
from service.parts import InParts, Parts

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="The process lives")
async def alive() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="The service can answer", responses={503: {"description": "a check fails"}})
async def ready(response: Response, parts: InParts) -> dict[str, Any]:
    checks = await asyncio.to_thread(parts.health.checks)
    failing = any(check.state == "fail" for check in checks)
    if failing:
        response.status_code = 503
    return {"status": "not ready" if failing else "ready", "checks": [asdict(check) for check in checks]}


@router.get("/metrics", summary="For Prometheus", response_class=Response)
async def metrics(parts: InParts) -> Response:
    return Response(await asyncio.to_thread(_render, parts), media_type=CONTENT_TYPE_LATEST)


def _render(parts: Parts) -> bytes:
    live = {}
    for name in parts.index.names():
        try:
            live[name] = parts.index.snapshot(name).live_count
        except IndexFault:
            live[name] = 0  # /readyz says why
    return parts.metrics.render(live_images=live, unfinished_items=parts.ledger.unfinished())
