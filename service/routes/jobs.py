"""How a job goes on."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from indexer.ledger.items import ItemState
from indexer.ledger.jobs import Job
from service.parts import InParts, Parts
from service.schemas import JobItem, JobItemsResponse, JobResponse

router = APIRouter(tags=["jobs"])
aliases = APIRouter(prefix="/index", tags=["jobs"])

POLL_S = 0.1
LARGEST_INTEGER = 2**63 - 1  # that SQLite knows


@router.get("/jobs/{job}", summary="State, counts and first errors of a job")
@aliases.get("/{job}")
async def job(job: str, parts: InParts) -> JobResponse:
    return job_response(await asyncio.to_thread(parts.ledger.job, job))


@router.post("/jobs/{job}:cancel", summary="Cancel what has not begun")
@aliases.delete("/{job}")
async def cancel(job: str, parts: InParts) -> JobResponse:
    return job_response(await asyncio.to_thread(parts.ledger.cancel, job))


@router.get("/jobs/{job}/items", summary="What became of every image")
async def items(
    job: str,
    parts: InParts,
    state: ItemState | None = None,
    after: Annotated[int, Query(ge=0, le=LARGEST_INTEGER)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JobItemsResponse:
    found = await asyncio.to_thread(parts.ledger.items, job, state=state, after=after, limit=limit)
    return JobItemsResponse(
        items=[
            JobItem(item=i.number, name=i.name, state=i.state.value, id=i.image_id, code=i.code, detail=i.detail)
            for i in found
        ],
        next_after=found[-1].number if len(found) == limit else None,
    )


async def wait_until_finished(parts: Parts, job_id: str, seconds: float) -> Job:
    deadline = time.monotonic() + seconds
    while True:
        job = await asyncio.to_thread(parts.ledger.job, job_id)
        if job.finished_at is not None or time.monotonic() >= deadline:
            return job
        await asyncio.sleep(POLL_S)


def job_response(job: Job) -> JobResponse:
    url = f"/v1/jobs/{job.id}"
    return JobResponse.model_validate(
        {
            "id": job.id,
            "state": job.state.value,
            "collection": job.collection,
            "created_at": job.created_at,
            "finished_at": job.finished_at,
            "counts": {**asdict(job.counts), "received": job.counts.received},
            "rate_per_s": job.rate_per_s,
            "eta_s": job.eta_s,
            "errors_sample": [asdict(error) for error in job.errors_sample],
            "links": {"self": url, "items": f"{url}/items", "cancel": f"{url}:cancel"},
        }
    )
