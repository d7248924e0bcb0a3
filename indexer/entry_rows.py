"""What an image lays down in the columns of a segment; refused here unless it is sound."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from indexer.index.errors import BadEntry
from indexer.index.records import Record, encode_record, is_image_id
from indexer.index.segment import BOXES, RECORDS, THUMBNAILS, are_boxes, channel_column
from model.embeddings import ImageEmbedding


def rows_of(
    record: Record, embedding: ImageEmbedding, thumbnail: bytes, *, channel_widths: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """Column -> rows. Raises BadEntry."""
    if embedding.channels.keys() != channel_widths.keys():
        raise BadEntry(f"{record.id}: channels {sorted(embedding.channels)} instead of {sorted(channel_widths)}")
    rows: dict[str, NDArray[Any]] = {
        channel_column(name, width).name: _vectors(record.id, name, embedding.channels[name], width)
        for name, width in channel_widths.items()
    }
    rows[BOXES.name] = _boxes(record.id, embedding.boxes)
    rows[RECORDS.name] = _record(record)
    rows[THUMBNAILS.name] = np.frombuffer(thumbnail, np.uint8)[:, None]
    return rows


def _vectors(image_id: str, channel: str, vectors: Tensor, width: int) -> NDArray[np.float16]:
    if vectors.ndim != 2 or vectors.shape[1] != width or not len(vectors):
        raise BadEntry(f"{image_id}: channel {channel} is {list(vectors.shape)} instead of [1 or more, {width}]")
    halves = vectors.detach().to("cpu", torch.float16)  # what is too large for float16 is infinite here
    if not bool(torch.isfinite(halves).all()):
        raise BadEntry(f"{image_id}: channel {channel} holds numbers that are not finite")
    return halves.numpy()


def _boxes(image_id: str, boxes: Tensor) -> NDArray[np.float32]:
    shares = boxes.detach().to("cpu", torch.float32).numpy()
    if shares.ndim != 2 or shares.shape[1] != 4 or not are_boxes(shares):
        raise BadEntry(f"{image_id}: boxes must be [R, 4] with shares x0 <= x1 and y0 <= y1 from 0 to 1")
    return shares


def _record(record: Record) -> NDArray[np.uint8]:
    if not is_image_id(record.id):
        raise BadEntry(f"{record.id!r} is no image id: make it with content_id()")
    try:
        return np.frombuffer(encode_record(record), np.uint8)[:, None]
    except (TypeError, ValueError) as error:
        raise BadEntry(f"{record.id}: its metadata is not JSON: {error}") from error
