"""Index folders of this machine at once, without the ledger: what the command line does."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer.decode_pool import DecodePool
from indexer.index.deletion import delete_images
from indexer.index.records import Record
from indexer.ledger.scan import scan
from indexer.live_images import live_records
from indexer.pipeline import Fate, Outcome, Photograph, index_photographs
from indexer.upkeep import keep_in_shape
from model.batches import in_batches
from model.encoder import Encoder

COMMITTED_AT_ONCE = 512  # what a kill in the middle costs at most


@dataclass(slots=True)
class Summary:
    counts: Counter[Fate] = field(default_factory=Counter)
    failures: list[Outcome] = field(default_factory=list)
    pruned: int = 0


def index_paths(
    paths: Sequence[Path],
    collection: Path,
    *,
    encoder: Encoder,
    pool: DecodePool,
    prune: bool,
    progress: Callable[[Sequence[Outcome]], None],
) -> Summary:
    """Index what is new below `paths`; called again after a kill, it goes on with what is missing.

    With `prune`, images that came from below `paths` and are no longer there are deleted.
    """
    summary, present = Summary(), set[str]()
    for files in in_batches(scan(paths), COMMITTED_AT_ONCE):
        photographs = [Photograph(file, name=file.name, source=str(file)) for file in files]
        outcomes = index_photographs(photographs, collection, encoder=encoder, pool=pool)
        summary.counts.update(outcome.fate for outcome in outcomes)
        summary.failures += [outcome for outcome in outcomes if outcome.fate is Fate.FAILED]
        present.update(outcome.image_id for outcome in outcomes if outcome.image_id is not None)
        progress(outcomes)
    if prune:
        # A file that is there but could not be read this time has not vanished.
        unread = {failure.photograph.source for failure in summary.failures}
        gone = [r.id for r in _indexed_below(paths, collection) if r.id not in present and r.source not in unread]
        summary.pruned = len(delete_images(collection, gone).deleted) if gone else 0
    if collection.is_dir():
        keep_in_shape(collection)
    return summary


def _indexed_below(paths: Sequence[Path], collection: Path) -> Iterator[Record]:
    roots = [path.resolve() for path in paths]
    for record in live_records(collection):
        if any(Path(record.source).is_relative_to(root) for root in roots):
            yield record
