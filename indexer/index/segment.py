"""A segment: images that were written together and are never changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from indexer.index.byte_rows import ByteRows, ByteScale, open_byte_rows
from indexer.index.columns import Column, ColumnFormat, map_array, open_column
from indexer.index.durable_files import FileSeal, check_seal, read_sealed
from indexer.index.errors import Damaged
from indexer.index.id_table import ID_TYPE, ROW_TYPE, IdTable
from indexer.index.layout import FORMAT, SEGMENTS, check_format
from indexer.index.manifest import SegmentEntry
from indexer.index.records import Record, decode_record
from indexer.index.region_codes import RegionCodes, open_region_codes
from model.embeddings import ImageEmbedding

HEAD = "segment.json"
IDS, ORDER_OF_IDS, BYTE_ROWS, REGION_CODES = "ids", "ids.order", "regions.faiss", "codes.faiss"
BOXES = ColumnFormat("boxes", "<f4", 4)
RECORDS = ColumnFormat("records", "u1", 1)
THUMBNAILS = ColumnFormat("thumbnails", "u1", 1)


def channel_column(channel: str, width: int) -> ColumnFormat:
    return ColumnFormat(f"channel.{channel}", "<f2", width)


def columns_of(channel_widths: Mapping[str, int]) -> list[ColumnFormat]:
    return [*(channel_column(*channel) for channel in channel_widths.items()), BOXES, RECORDS, THUMBNAILS]


def files_of(channel_widths: Mapping[str, int], *, coded: bool) -> set[str]:
    """All files of a segment but its head: what is written, read and verified."""
    columns = [file for column in columns_of(channel_widths) for file in column.files]
    return {IDS, ORDER_OF_IDS, BYTE_ROWS, *columns, *([REGION_CODES] if coded else [])}


@dataclass(frozen=True, slots=True)
class Cutoff:
    """How far below the tenth best score of a step those lie that are among the exact ten best; see calibration."""

    margins: Mapping[float, float]  # promised share of the exact ten best -> margin, in deviations of the tables
    mean_sizes: Mapping[float, int]  # the same -> images of this segment that lie within it, in the mean
    most: int  # the most images that a question needed: more are not kept

    def margin(self, recall: float) -> float:
        """For a recall of no more than was calibrated."""
        return min(margin for promised, margin in self.margins.items() if promised >= recall)

    def to_json(self) -> dict[str, object]:
        margins, sizes = (
            {str(recall): one for recall, one in some.items()} for some in (self.margins, self.mean_sizes)
        )
        return {"margins": margins, "mean_sizes": sizes, "most": self.most}

    @classmethod
    def from_json(cls, cutoff: Mapping[str, Any]) -> "Cutoff":
        margins = {float(recall): float(margin) for recall, margin in cutoff["margins"].items()}
        sizes = {float(recall): int(images) for recall, images in cutoff["mean_sizes"].items()}
        return cls(margins, sizes, int(cutoff["most"]))


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Of both steps."""

    by_codes: Cutoff
    by_sketches: Cutoff

    def to_json(self) -> dict[str, object]:
        return {"by_codes": self.by_codes.to_json(), "by_sketches": self.by_sketches.to_json()}

    @classmethod
    def from_json(cls, cutoffs: Mapping[str, Any]) -> "Cutoffs":
        return cls(Cutoff.from_json(cutoffs["by_codes"]), Cutoff.from_json(cutoffs["by_sketches"]))


@dataclass(frozen=True, slots=True)
class Coding:
    """By which codebooks the regions of a segment are coded, and how well."""

    codebooks: str  # their checksum: segments of the same ones are ranked together
    error: float  # mean squared distance of its regions from what their codes say
    trained_error: float  # the same where the codebooks were trained
    whole: Cutoffs
    narrowed: Cutoffs  # where images are left out, by a filter or a deletion: maybe those that answer best

    @property
    def drift(self) -> float:
        """How many times as wrong as where they were trained the codebooks are here."""
        return self.error / self.trained_error if self.trained_error else 1.0

    @property
    def most_promised(self) -> float:
        """The highest recall that was calibrated."""
        return max(self.whole.by_codes.margins)

    def to_json(self) -> dict[str, object]:
        return {
            "codebooks": self.codebooks,
            "error": self.error,
            "trained_error": self.trained_error,
            "whole": self.whole.to_json(),
            "narrowed": self.narrowed.to_json(),
        }

    @classmethod
    def from_json(cls, coding: Mapping[str, Any]) -> "Coding":
        cutoffs = (Cutoffs.from_json(coding[name]) for name in ("whole", "narrowed"))
        return cls(str(coding["codebooks"]), float(coding["error"]), float(coding["trained_error"]), *cutoffs)


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """What segment.json says."""

    images: int
    channel_widths: Mapping[str, int]
    shortlist_channel: str  # the one whose rows are there in bytes, and in codes
    byte_scale: ByteScale
    coding: Coding | None  # None where there are too few regions to need codes
    files: Mapping[str, FileSeal]

    def encode(self) -> bytes:
        document = {
            "format": FORMAT,
            "images": self.images,
            "channel_widths": dict(self.channel_widths),
            "shortlist_channel": self.shortlist_channel,
            "byte_scale": self.byte_scale.to_json(),
            "coding": self.coding and self.coding.to_json(),
            "files": {name: seal.to_json() for name, seal in self.files.items()},
        }
        return json.dumps(document, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Segment:
    """A segment open for reading; it knows nothing of deletions. A row is the place of an image in it."""

    id: str
    head: SegmentHead
    ids: IdTable
    channels: Mapping[str, Column]
    boxes: Column
    records: Column
    thumbnails: Column
    byte_rows: ByteRows
    codes: RegionCodes | None

    @property
    def offsets(self) -> NDArray[np.int64]:
        """[n + 1], where the shortlisted rows of each image begin."""
        return self.channels[self.head.shortlist_channel].offsets

    def record(self, row: int) -> Record:
        return decode_record(self.records[row].tobytes())

    def thumbnail(self, row: int) -> bytes:
        return self.thumbnails[row].tobytes()

    def embedding(self, row: int) -> ImageEmbedding:
        channels = {name: torch.from_numpy(column[row]).float() for name, column in self.channels.items()}
        return ImageEmbedding(channels, boxes=torch.from_numpy(self.boxes[row].copy()))


def open_segment(collection: Path, entry: SegmentEntry) -> Segment:
    """Check every byte, then map. Raises Damaged or UnknownFormat."""
    head = read_head(collection, entry)
    folder = collection / SEGMENTS / entry.id
    for name, seal in head.files.items():
        check_seal(folder / name, seal)
    return map_segment(folder, head)


def open_ids(collection: Path, entry: SegmentEntry) -> IdTable:
    """The ids alone, checked."""
    folder, files = collection / SEGMENTS / entry.id, read_head(collection, entry).files
    for name in (IDS, ORDER_OF_IDS):
        check_seal(folder / name, files[name])
    return _map_ids(folder)


def open_records(collection: Path, entry: SegmentEntry) -> Column:
    """The records alone, checked."""
    folder, files = collection / SEGMENTS / entry.id, read_head(collection, entry).files
    for name in RECORDS.files:
        check_seal(folder / name, files[name])
    return open_column(folder, RECORDS, images=entry.images)


def read_head(collection: Path, entry: SegmentEntry) -> SegmentHead:
    path = collection / SEGMENTS / entry.id / HEAD
    document = json.loads(read_sealed(path, entry.seal))
    check_format(path, document["format"])
    head = SegmentHead(
        images=document["images"],
        channel_widths=document["channel_widths"],
        shortlist_channel=document["shortlist_channel"],
        byte_scale=ByteScale.from_json(document["byte_scale"]),
        coding=document["coding"] and Coding.from_json(document["coding"]),
        files={name: FileSeal.from_json(seal) for name, seal in document["files"].items()},
    )
    files = files_of(head.channel_widths, coded=head.coding is not None)
    if head.files.keys() != files or head.images != entry.images:
        raise Damaged(path, "it does not describe the segment that the manifest names")
    return head


def map_segment(folder: Path, head: SegmentHead) -> Segment:
    """Map files that were checked."""
    widths = head.channel_widths
    columns = {column.name: open_column(folder, column, images=head.images) for column in columns_of(widths)}
    offsets = columns[channel_column(head.shortlist_channel, widths[head.shortlist_channel]).name].offsets
    return Segment(
        id=folder.name,
        head=head,
        ids=_map_ids(folder),
        channels={channel: columns[channel_column(channel, width).name] for channel, width in widths.items()},
        boxes=columns[BOXES.name],
        records=columns[RECORDS.name],
        thumbnails=columns[THUMBNAILS.name],
        byte_rows=open_byte_rows(folder / BYTE_ROWS),
        codes=open_region_codes(folder / REGION_CODES, offsets) if head.coding is not None else None,
    )


def are_boxes(boxes: NDArray[np.float32]) -> bool:
    """Whether [R, 4] are shares of width and height, ascending."""
    x0, y0, x1, y1 = boxes.T
    return bool(((x0 >= 0) & (y0 >= 0) & (x0 <= x1) & (y0 <= y1) & (x1 <= 1) & (y1 <= 1)).all())


def _map_ids(folder: Path) -> IdTable:
    return IdTable(map_array(folder / IDS, ID_TYPE), map_array(folder / ORDER_OF_IDS, ROW_TYPE))
