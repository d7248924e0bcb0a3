"""The way of photographs into the index."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from indexer.commit import CommitResult, commit_segment
from indexer.decode import Decoded, read_photograph
from indexer.decode_pool import DecodePool
from indexer.errors import DecodeError
from indexer.index.errors import BadEntry
from indexer.index.manifest import EncoderIdentity, check_model
from indexer.index.records import Record, content_id
from indexer.live_images import find_live
from indexer.pictures import picture_of
from indexer.segment_writer import SegmentWriter
from model.batches import in_batches
from model.embeddings import ImageEmbedding
from model.encoder import Encoder
from model.errors import BadFeatures

ENCODED_AT_ONCE = 32
ENCODING_FAILED = "encoding_failed"
FEATURES_UNREADABLE = "features_unreadable"
CHANGED = "image_changed"


@dataclass(frozen=True, slots=True)
class Photograph:
    """A file that is to be indexed."""

    path: Path
    name: str  # as its owner calls it
    source: str  # where it came from, for its record
    item: str | None = None  # the item of the ledger that brings it
    metadata: dict[str, Any] = field(default_factory=dict)


class Fate(StrEnum):
    INDEXED = "indexed"
    DUPLICATE = "duplicate"  # the same bytes are in the index already
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    photograph: Photograph
    fate: Fate
    image_id: str | None = None
    code: str | None = None  # of a failure, and what happened
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class _Identified:
    photograph: Photograph
    image_id: str
    size: int  # bytes


def index_photographs(
    photographs: Sequence[Photograph],
    collection: Path,
    *,
    encoder: Encoder,
    pool: DecodePool,
    stopping: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Make the photographs searchable, all in one commit; what cannot be indexed fails alone.

    A photograph whose bytes are live already is not decoded again; when the same item of the ledger had brought them,
    it died between its commit and its report, and is told that it is indexed. When `stopping` says so nothing more is
    begun, and what was not begun has no outcome. Raises ModelMismatch.
    """
    check_model(collection, encoder.fingerprint)
    identified, copies, outcomes = _identify(photographs)
    fresh, known = _leave_out_known(identified, collection)
    outcomes += known
    if fresh:
        outcomes += _index(fresh, collection, encoder=encoder, pool=pool, stopping=stopping)
    return outcomes + [_of_copy(copy, first) for first in outcomes for copy in copies.get(first.image_id, ())]


def _identify(
    photographs: Iterable[Photograph],
) -> tuple[list[_Identified], dict[str | None, list[Photograph]], list[Outcome]]:
    """Read and hash: the photographs, by content id the copies of those that came before, and those that failed."""
    identified: dict[str, _Identified] = {}
    copies: dict[str | None, list[Photograph]] = {}
    failed = []
    for photograph in photographs:
        try:
            data = read_photograph(photograph.path)
        except DecodeError as error:
            failed.append(Outcome(photograph, Fate.FAILED, code=error.code, detail=str(error)))
            continue
        image_id = content_id(data)
        if image_id in identified:
            copies.setdefault(image_id, []).append(photograph)
        else:
            identified[image_id] = _Identified(photograph, image_id, len(data))
    return list(identified.values()), copies, failed


def _leave_out_known(identified: Sequence[_Identified], collection: Path) -> tuple[list[_Identified], list[Outcome]]:
    live = find_live(collection, [one.image_id for one in identified])
    fresh = [one for one in identified if one.image_id not in live]
    known = [_met_before(one, live[one.image_id].item) for one in identified if one.image_id in live]
    return fresh, known


def _index(
    fresh: Sequence[_Identified],
    collection: Path,
    *,
    encoder: Encoder,
    pool: DecodePool,
    stopping: Callable[[], bool],
) -> list[Outcome]:
    identity = EncoderIdentity.of(encoder)
    widths, channel = identity.channel_widths, encoder.score_spec.terms[0].channel
    outcomes, written = [], []
    with SegmentWriter(collection, channel_widths=widths, shortlist_channel=channel) as writer:
        for batch in in_batches(pool.decode((one, one.photograph.path) for one in fresh), ENCODED_AT_ONCE):
            if stopping():
                break
            kept, undecoded = _keep_decoded(batch)
            good, failed = _encode(kept, encoder)
            outcomes += undecoded + failed
            for one, decoded, embedding in good:
                try:
                    writer.add(_record(one, decoded), embedding, decoded.thumbnail)
                    written.append(one)
                except BadEntry as error:
                    outcomes.append(_failed(one, ENCODING_FAILED, str(error)))
        entry = writer.finish()
        if entry is not None:
            result = commit_segment(collection, entry, encoder=identity)
            outcomes += [_settle(one, result) for one in written]
    return outcomes


def _keep_decoded(
    batch: Sequence[tuple[_Identified, Decoded | DecodeError]],
) -> tuple[list[tuple[_Identified, Decoded]], list[Outcome]]:
    kept, failed = [], []
    for one, decoded in batch:
        if isinstance(decoded, DecodeError):
            failed.append(_failed(one, decoded.code, str(decoded)))
        elif decoded.content != one.image_id:  # its vectors would be found under the id of other bytes
            failed.append(_failed(one, CHANGED, "the file changed while it was indexed: index it again"))
        else:
            kept.append((one, decoded))
    return kept, failed


def _encode(
    good: Sequence[tuple[_Identified, Decoded]], encoder: Encoder
) -> tuple[list[tuple[_Identified, Decoded, ImageEmbedding]], list[Outcome]]:
    if not good:
        return [], []
    try:
        embeddings = encoder.encode_images([picture_of(decoded, name=one.photograph.name) for one, decoded in good])
    except BadFeatures as error:  # of one of them, with which the others must not fail
        if len(good) == 1:
            return [], [_failed(good[0][0], FEATURES_UNREADABLE, str(error))]
        alone = [_encode([one], encoder) for one in good]
        return [one for encoded, _ in alone for one in encoded], [one for _, bad in alone for one in bad]
    return [(one, decoded, embedding) for (one, decoded), embedding in zip(good, embeddings, strict=True)], []


def _record(one: _Identified, decoded: Decoded) -> Record:
    return Record(
        id=one.image_id,
        name=one.photograph.name,
        source=one.photograph.source,
        width=decoded.width,
        height=decoded.height,
        size=one.size,
        indexed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        item=one.photograph.item,
        metadata=one.photograph.metadata,
    )


def _settle(one: _Identified, result: CommitResult) -> Outcome:
    """Another writer may have committed the same bytes in the meantime."""
    if one.image_id in result.duplicates:
        return _met_before(one, result.duplicates[one.image_id])
    return Outcome(one.photograph, Fate.INDEXED, one.image_id)


def _met_before(one: _Identified, item: str | None) -> Outcome:
    itself = item is not None and item == one.photograph.item
    return Outcome(one.photograph, Fate.INDEXED if itself else Fate.DUPLICATE, one.image_id)


def _failed(one: _Identified, code: str, detail: str) -> Outcome:
    return Outcome(one.photograph, Fate.FAILED, one.image_id, code, detail)


def _of_copy(copy: Photograph, first: Outcome) -> Outcome:
    """The same bytes a second time: known where the first were indexed, and as broken where they were."""
    if first.code == CHANGED:
        return replace(first, photograph=copy, detail=f"its copy {first.photograph.source} changed: index it again")
    fate = Fate.DUPLICATE if first.fate is Fate.INDEXED else first.fate
    return replace(first, photograph=copy, fate=fate)
