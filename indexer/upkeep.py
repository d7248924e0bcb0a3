"""What keeps a collection quick and small after it has changed."""

from contextlib import suppress
from pathlib import Path

from indexer.garbage import collect_garbage
from indexer.index.errors import NoCommit, UnknownCollection
from indexer.merge import merge


def keep_in_shape(collection: Path) -> None:
    """Merge what should be one segment, and remove what no commit names; nothing where there is no collection yet."""
    with suppress(UnknownCollection, NoCommit):
        while merge(collection):
            pass
    with suppress(UnknownCollection):  # without a commit there may be drafts
        collect_garbage(collection)
