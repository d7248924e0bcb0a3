"""One image: what is known of it, its thumbnail, its end."""

import asyncio
import re
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Response

from indexer.index.deletion import delete_images
from indexer.index.layout import collection_path
from indexer.index.snapshot import Snapshot
from service.errors import NotFound
from service.hits import thumbnail_url
from service.parts import InParts, Parts
from service.schemas import ImageResponse, Region

router = APIRouter(prefix="/images/{image_id}", tags=["images"])

FOREVER = "public, max-age=31536000, immutable"  # an id is made of the image's own bytes


@router.get("", summary="What is known of an image")
async def describe(image_id: str, parts: InParts, collection: str = "default") -> ImageResponse:
    return await asyncio.to_thread(_describe, parts, collection, image_id)


@router.get(
    "/thumbnail",
    summary="The image, small",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}, 304: {"description": "the thumbnail at hand is the right one"}},
)
async def thumbnail(
    image_id: str,
    parts: InParts,
    collection: str = "default",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    data = await asyncio.to_thread(_thumbnail, parts, collection, image_id)
    etag = f'"{image_id}"'
    headers = {"ETag": etag, "Cache-Control": FOREVER}
    if etag in re.split(r"[\s,]+|W/", if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="image/webp")


@router.delete("", summary="Delete an image: the very next search does without it", status_code=204)
async def delete(image_id: str, parts: InParts, collection: str = "default") -> None:
    result = await parts.write(delete_images, collection_path(parts.data, collection), [image_id])
    if not result.deleted:
        raise _not_found(image_id, collection)


def _describe(parts: Parts, collection: str, image_id: str) -> ImageResponse:
    snapshot, row = _find(parts, collection, image_id)
    record = snapshot.record(row)
    return ImageResponse(
        id=record.id,
        collection=collection,
        name=record.name,
        width=record.width,
        height=record.height,
        size=record.size,
        indexed_at=datetime.fromisoformat(record.indexed_at),
        thumbnail=thumbnail_url(record.id, collection),
        regions=[Region(box=tuple(box)) for box in snapshot.boxes(row).tolist()],
        metadata=record.metadata,
    )


def _thumbnail(parts: Parts, collection: str, image_id: str) -> bytes:
    snapshot, row = _find(parts, collection, image_id)
    return snapshot.thumbnail(row)


def _find(parts: Parts, collection: str, image_id: str) -> tuple[Snapshot, int]:
    snapshot = parts.index.snapshot(collection)
    row = snapshot.find(image_id)
    if row is None:
        raise _not_found(image_id, collection)
    return snapshot, row


def _not_found(image_id: str, collection: str) -> NotFound:
    return NotFound(f"collection {collection!r} has no image {image_id!r}")
