"""What must hold between the files of a segment although no checksum says so."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.records import is_image_id
from indexer.index.segment import (
    BOXES,
    BYTE_ROWS,
    IDS,
    ORDER_OF_IDS,
    RECORDS,
    REGION_CODES,
    THUMBNAILS,
    Segment,
    are_boxes,
    channel_column,
)

BLOCK = 2**16  # rows looked at at once

Contradiction = tuple[str, str]  # file of the segment, what is wrong with it


def contradictions(segment: Segment) -> Iterator[Contradiction]:
    """All that is wrong in files that are as they were written, but were written wrong."""
    wrong_offsets = list(_offsets(segment))
    if wrong_offsets:
        yield from wrong_offsets
        return  # all else is read through them
    yield from _vectors(segment)
    yield from _ids(segment)
    if not all(are_boxes(rows) for rows in _blocks(segment.boxes.rows)):
        yield BOXES.rows_file, "a box is not made of ascending shares from 0 to 1"
    shortlisted = len(segment.channels[segment.head.shortlist_channel].rows)
    if len(segment.byte_rows) != shortlisted:
        yield BYTE_ROWS, f"it holds {len(segment.byte_rows)} regions instead of {shortlisted}"
    if segment.codes is not None and len(segment.codes.codes) != shortlisted:
        yield REGION_CODES, f"it holds {len(segment.codes.codes)} regions instead of {shortlisted}"


def _offsets(segment: Segment) -> Iterator[Contradiction]:
    columns = [(BOXES, segment.boxes, 0), (RECORDS, segment.records, 1), (THUMBNAILS, segment.thumbnails, 0)]
    columns += [(channel_column(channel, 0), column, 1) for channel, column in segment.channels.items()]
    for form, column, least in columns:
        if column.offsets[0] != 0 or (np.diff(column.offsets) < least).any():
            yield form.offsets_file, f"its offsets do not ascend from 0 by {least} or more"


def _vectors(segment: Segment) -> Iterator[Contradiction]:
    for channel, column in segment.channels.items():
        if not all(np.isfinite(rows).all() for rows in _blocks(column.rows)):
            yield channel_column(channel, 0).rows_file, "a number is not finite"


def _ids(segment: Segment) -> Iterator[Contradiction]:
    ids, order = segment.ids.ids, segment.ids.order
    if len(ids) != segment.head.images or not all(is_image_id(key) for key in ids.astype(str).tolist()):
        yield IDS, "it does not hold an image id for every image"
    if not np.array_equal(np.sort(order), np.arange(len(ids))) or (ids[order][:-1] >= ids[order][1:]).any():
        yield ORDER_OF_IDS, "it is not the order of the ids, or an id stands there twice"
    if any(segment.record(row).id != segment.ids.id_of(row) for row in range(segment.head.images)):
        yield RECORDS.rows_file, "a record is not that of its image"


def _blocks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))
