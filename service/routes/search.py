"""Sentences in, images out."""

from fastapi import APIRouter, Request

from service.parts import InParts
from service.request_ids import request_id_of
from service.schemas import SearchRequest, SearchResponse

router = APIRouter(tags=["search"])


@router.post("/search", summary="Find images by a sentence")
async def search(query: SearchRequest, request: Request, parts: InParts) -> SearchResponse:
    return await parts.searcher.search(query, request_id=request_id_of(request))
