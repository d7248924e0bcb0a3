"""Write a segment: images are added one by one, then all of them stand together or none does."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from numpy.typing import NDArray

from indexer.entry_rows import rows_of
from indexer.index.byte_rows import byte_rows_of, write_byte_rows
from indexer.index.columns import OFFSET_TYPE, ColumnFormat, map_array
from indexer.index.durable_files import FileSeal, SealedFile, fsync_folder, make_folder, write_sealed
from indexer.index.errors import BadEntry
from indexer.index.id_table import keys_of, order_of
from indexer.index.layout import DRAFT, SEGMENTS
from indexer.index.locks import claim_folder, writer_lock
from indexer.index.manifest import SegmentEntry
from indexer.index.records import Record
from indexer.index.segment import (
    BYTE_ROWS,
    HEAD,
    IDS,
    ORDER_OF_IDS,
    REGION_CODES,
    SegmentHead,
    channel_column,
    columns_of,
)
from indexer.region_coder import code_regions, known_codebooks
from model.embeddings import ImageEmbedding


class SegmentWriter:
    """A context, and the commit belongs inside it: what was not finished when it is left is removed, and what was
    not committed is garbage from then on.

    Vectors go to the disk as they come; memory holds the ids, and in `finish` the codes of the regions.
    """

    def __init__(self, collection: Path, *, channel_widths: Mapping[str, int], shortlist_channel: str) -> None:
        self._widths = dict(channel_widths)
        self._shortlist_column = channel_column(shortlist_channel, channel_widths[shortlist_channel])
        self._shortlist_channel = shortlist_channel
        self._collection = collection
        self._ids: dict[str, None] = {}
        self._columns: dict[str, _ColumnWriter] = {}
        self._id = uuid4().hex
        self._draft = collection / SEGMENTS / f"{self._id}{DRAFT}"
        make_folder(self._draft.parent)
        with writer_lock(collection):  # garbage collection must not come between these two lines
            self._draft.mkdir()
            self._claim = claim_folder(self._draft)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, record: Record, embedding: ImageEmbedding, thumbnail: bytes) -> None:
        """Raises BadEntry before anything of the image is written."""
        if record.id in self:
            raise BadEntry(f"{record.id} was added to this segment before: ask with `in`")
        rows = rows_of(record, embedding, thumbnail, channel_widths=self._widths)
        if not self._columns:
            for column in columns_of(self._widths):
                self._columns[column.name] = _ColumnWriter(self._draft, column)
        for name, matrix in rows.items():
            self._columns[name].add(matrix)
        self._ids[record.id] = None

    def finish(self) -> SegmentEntry | None:
        """Bring the segment to the disk and into its place, where a commit can name it; None if nothing was added."""
        if not self._ids:
            return None
        head = self._seal_files()
        seal = write_sealed(self._draft / HEAD, head.encode())
        fsync_folder(self._draft)
        self._draft.rename(self._draft.with_name(self._id))
        fsync_folder(self._draft.parent)
        return SegmentEntry(self._id, len(self), seal)

    def close(self) -> None:
        for column in self._columns.values():
            column.close()
        shutil.rmtree(self._draft, ignore_errors=True)  # there is none when it was finished
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _seal_files(self) -> SegmentHead:
        files: dict[str, FileSeal] = {}
        for column in self._columns.values():
            files |= column.seal()
        keys = keys_of(self._ids)
        files[IDS] = write_sealed(self._draft / IDS, keys.tobytes())
        files[ORDER_OF_IDS] = write_sealed(self._draft / ORDER_OF_IDS, order_of(keys).tobytes())
        form = self._shortlist_column
        rows = map_array(self._draft / form.rows_file, form.dtype).reshape(-1, form.width)
        offsets = map_array(self._draft / form.offsets_file, OFFSET_TYPE)
        byte_rows, scale = byte_rows_of(rows)
        files[BYTE_ROWS] = self._write(BYTE_ROWS, lambda write: write_byte_rows(byte_rows, scale, write))
        coded = code_regions(rows, byte_rows, scale, offsets, known=known_codebooks(self._collection, len(rows)))
        if coded is not None:
            files[REGION_CODES] = self._write(REGION_CODES, coded.write)
        coding = coded.coding if coded is not None else None
        return SegmentHead(len(self), self._widths, self._shortlist_channel, scale, coding, files)

    def _write(self, name: str, write: Callable[[Callable[[bytes], int]], None]) -> FileSeal:
        file = SealedFile(self._draft / name)
        try:
            write(file.write)
            return file.seal()
        finally:
            file.close()


class _ColumnWriter:
    def __init__(self, folder: Path, column: ColumnFormat) -> None:
        self._format = column
        self._rows = SealedFile(folder / column.rows_file)
        self._offsets = SealedFile(folder / column.offsets_file)
        self._end = 0
        self._write_offset()

    def add(self, matrix: NDArray[Any]) -> None:
        self._rows.write(matrix.tobytes())
        self._end += len(matrix)
        self._write_offset()

    def seal(self) -> dict[str, FileSeal]:
        return {self._format.rows_file: self._rows.seal(), self._format.offsets_file: self._offsets.seal()}

    def close(self) -> None:
        self._rows.close()
        self._offsets.close()

    def _write_offset(self) -> None:
        self._offsets.write(self._end.to_bytes(8, "little"))
