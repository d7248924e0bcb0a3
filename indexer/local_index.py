"""Index folders of this machine at once, without the ledger: what the command line does."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer.decode import read_photograph
from indexer.decode_pool import DecodePool
from indexer.errors import DecodeError, NothingToKeep
from indexer.index.deletion import delete_images
from indexer.index.records import Record, content_id
from indexer.ledger.items import storable
from indexer.ledger.scan import scan
from indexer.live_images import select_live
from indexer.pipeline import Fate, Outcome, Photograph, index_photographs
from indexer.upkeep import keep_in_shape
from model.batches import in_batches
from model.encoder import Encoder

COMMITTED_AT_ONCE = 256  # what a kill in the middle costs at most


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

    With `prune`, images are deleted whose files below `paths` are no longer there, or hold other bytes by now. An image
    is known by the first file that brought it. Raises NothingToKeep.
    """
    if prune:
        _check_that_there_is_something(paths)
    summary, present = Summary(), set[str]()
    for files in in_batches(scan(paths), COMMITTED_AT_ONCE):
        photographs = [Photograph(file, name=storable(file.name), source=str(file)) for file in files]
        outcomes = index_photographs(photographs, collection, encoder=encoder, pool=pool)
        summary.counts.update(outcome.fate for outcome in outcomes)
        summary.failures += [outcome for outcome in outcomes if outcome.fate is Fate.FAILED]
        present.update(outcome.image_id for outcome in outcomes if outcome.image_id is not None)
        progress(outcomes)
    if prune:
        roots = [path.resolve() for path in paths]
        gone = select_live(collection, lambda r: r.id not in present and _lies_below(roots, r) and _is_gone(r))
        summary.pruned = len(delete_images(collection, [record.id for record in gone]).deleted) if gone else 0
    keep_in_shape(collection)
    return summary


def _check_that_there_is_something(paths: Sequence[Path]) -> None:
    for path in paths:
        if next(scan([path]), None) is None:
            raise NothingToKeep(f"{path} holds no photograph, so nothing was pruned: is a disk not mounted?")


def _lies_below(roots: Sequence[Path], record: Record) -> bool:
    return any(Path(record.source).is_relative_to(root) for root in roots)


def _is_gone(record: Record) -> bool:
    """A file that is there, but cannot be read this time, has not vanished; nor have those of an unreadable folder."""
    source = Path(record.source)
    try:
        source.lstat()
        return content_id(read_photograph(source)) != record.id
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, DecodeError):
        return False
