"""What keeps a collection quick and small after it has changed."""

from pathlib import Path

from indexer.garbage import collect_garbage
from indexer.merge import merge


def keep_in_shape(collection: Path) -> None:
    """Merge what should be one segment, and remove what no commit names."""
    while merge(collection):
        pass
    collect_garbage(collection)
