"""One image: what is known of it, its thumbnail, its end."""

import asyncio
from datetime import datetime

from fastapi import APIRouter, Response

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
    snapshot, row = await asyncio.to_thread(_find, parts, collection, image_id)
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


@router.get("/thumbnail", summary="The image, small", response_class=Response)
async def thumbnail(image_id: str, parts: InParts, collection: str = "default") -> Response:
    snapshot, row = await asyncio.to_thread(_find, parts, collection, image_id)
    headers = {"ETag": f'"{image_id}"', "Cache-Control": FOREVER}
    return Response(snapshot.thumbnail(row), headers=headers, media_type="image/webp")


@router.delete("", summary="Delete an image: the very next search does without it", status_code=204)
async def delete(image_id: str, parts: InParts, collection: str = "default") -> None:
    result = await asyncio.to_thread(delete_images, collection_path(parts.data, collection), [image_id])
    if not result.deleted:
        raise _not_found(image_id, collection)


def _find(parts: Parts, collection: str, image_id: str) -> tuple[Snapshot, int]:
    snapshot = parts.index.snapshot(collection)
    row = snapshot.find(image_id)
    if row is None:
        raise _not_found(image_id, collection)
    return snapshot, row


def _not_found(image_id: str, collection: str) -> NotFound:
    return NotFound(f"collection {collection!r} has no image {image_id!r}")
