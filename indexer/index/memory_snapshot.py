"""A snapshot that lies in memory alone: for engines to be tried on."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.index.byte_rows import byte_rows_of
from indexer.index.columns import column_of
from indexer.index.id_table import IdTable, keys_of, order_of
from indexer.index.manifest import EncoderIdentity
from indexer.index.records import content_id
from indexer.index.segment import Segment, SegmentHead
from indexer.index.snapshot import Part, Snapshot, live_rows_of
from model.scoring import MaxSim, ScoreSpec, Term

CHANNEL: Final = "regions"
MRSW: Final = ScoreSpec((Term(CHANNEL, MaxSim()),))

Image = NDArray[np.float16]  # [R, D]


def snapshot_of(
    segments: Sequence[Sequence[Image]], *, width: int, dead: Sequence[int] = (), spec: ScoreSpec = MRSW
) -> Snapshot:
    """Of segments of images; the id of an image follows from its place among all of them. `dead` are rows."""
    parts: list[Part] = []
    start = 0
    for images in segments:
        alive = ~np.isin(np.arange(start, start + len(images)), dead)
        parts.append(Part(_segment_of(images, start, width=width), start, alive))
        start += len(images)
    return Snapshot(
        1, EncoderIdentity("0" * 64, "in memory", spec, {CHANNEL: width}), tuple(parts), live_rows_of(parts)
    )


def _segment_of(images: Sequence[Image], start: int, *, width: int) -> Segment:
    rows = np.concatenate([np.empty((0, width), np.float16), *images])
    offsets = np.cumsum([0, *(len(image) for image in images)])
    byte_rows, scale = byte_rows_of(rows)
    ids = keys_of(content_id(str(start + number).encode()) for number in range(len(images)))
    nothing = column_of(np.empty((0, 1), np.uint8), np.zeros(len(images) + 1, np.int64))
    return Segment(
        id=str(start),
        head=SegmentHead(len(images), {CHANNEL: width}, CHANNEL, scale, None, {}),
        ids=IdTable(ids, order_of(ids)),
        channels={CHANNEL: column_of(rows, offsets)},
        boxes=nothing,
        records=nothing,
        thumbnails=nothing,
        byte_rows=byte_rows,
        codes=None,
    )
