"""Images without pixels for the tests of the index: every number names an image, with its own vectors and record."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor

from indexer.commit import CommitResult, commit_segment
from indexer.index.manifest import EncoderIdentity
from indexer.index.records import Record, content_id
from indexer.index.snapshot import Snapshot
from indexer.segment_writer import SegmentWriter
from model.embeddings import ImageEmbedding, SentenceEmbedding, Word
from model.scoring import MaxSim, Pooling, ScoreSpec, Term

WIDTHS = {"regions": 8, "context": 4}
SPEC = ScoreSpec((Term("regions", MaxSim()), Term("context", MaxSim(Pooling.SYMM), weight=0.5)))
ENCODER = EncoderIdentity("1" * 64, "tiny", SPEC, WIDTHS)


def image_id(number: int) -> str:
    return content_id(str(number).encode())


def record_of(number: int, *, item: str | None = None) -> Record:
    return Record(
        id=image_id(number),
        name=f"{number}.jpg",
        source="/photographs",
        width=640,
        height=480,
        size=1000 + number,
        indexed_at="2026-11-21T12:00:00Z",
        item=item,
        metadata={"number": number},
    )


def embedding_of(number: int) -> ImageEmbedding:
    """One to nine regions, and one to three rows of context."""
    random = torch.Generator().manual_seed(number)
    regions = int(torch.randint(1, 10, (), generator=random))
    corners = torch.rand(2, regions, 2, generator=random).sort(dim=0).values
    channels = {
        "regions": unit_rows(regions, 8, random=random),
        "context": unit_rows(1 + number % 3, 4, random=random),
    }
    return ImageEmbedding(channels, boxes=torch.cat([corners[0], corners[1]], dim=1))


def sentence_of(number: int, *, words: int = 4) -> SentenceEmbedding:
    random = torch.Generator().manual_seed(1_000_000 + number)
    channels = {name: unit_rows(words, width, random=random) for name, width in WIDTHS.items()}
    text = "w" * words
    return SentenceEmbedding(text, channels, tuple(Word("w", n, n + 1) for n in range(words)), torch.arange(words))


def unit_rows(count: int, width: int, *, random: torch.Generator) -> Tensor:
    """Unit vectors that float16 holds as they are."""
    return F.normalize(torch.randn(count, width, generator=random), dim=1).half().float()


def thumbnail_of(number: int) -> bytes:
    return b"" if number % 5 == 0 else f"thumbnail {number}".encode()


def writer_for(collection: Path) -> SegmentWriter:
    return SegmentWriter(collection, channel_widths=WIDTHS, shortlist_channel="regions")


def commit_images(
    collection: Path, numbers: Iterable[int], *, item: str | None = None, encoder: EncoderIdentity = ENCODER
) -> CommitResult:
    with writer_for(collection) as writer:
        for number in numbers:
            writer.add(record_of(number, item=item), embedding_of(number), thumbnail_of(number))
        entry = writer.finish()
        assert entry is not None
        return commit_segment(collection, entry, encoder=encoder)


def folder_in_memory() -> TemporaryDirectory[str]:
    """Where fsync costs nothing, if there is such a place: for tests of very many commits."""
    return TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def live_numbers(snapshot: Snapshot) -> list[int]:
    return [snapshot.record(row).metadata["number"] for row in snapshot.live_rows.tolist()]
