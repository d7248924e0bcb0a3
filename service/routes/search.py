"""Sentences in, images out."""

from fastapi import APIRouter, Request

from service.parts import InParts
from service.problems import problem_of
from service.request_ids import request_id_of
from service.schemas import BatchRequest, BatchResponse, SearchRequest, SearchResponse

router = APIRouter(tags=["search"])


@router.post("/search", summary="Find images by a sentence")
async def search(query: SearchRequest, request: Request, parts: InParts) -> SearchResponse:
    return await parts.searcher.search(query, request_id=request_id_of(request))


@router.post("/search:batch", summary="Find images by several sentences at once")
async def search_batch(batch: BatchRequest, request: Request, parts: InParts) -> BatchResponse:
    """Every query has its own answer, or its own problem; those that differ in their text alone share their work."""
    answers = await parts.searcher.search_batch(batch.queries, request_id=request_id_of(request))
    return BatchResponse(
        results=[problem_of(request, answer) if isinstance(answer, Exception) else answer for answer in answers]
    )
