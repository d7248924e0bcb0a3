"""What lies in a collection without belonging to it: left by a crash, a merge or a deletion, or still being written."""

from collections.abc import Sequence
from pathlib import Path

from indexer.index.layout import DRAFT, MANIFEST, SEGMENTS, TOMBSTONES
from indexer.index.manifest import SegmentEntry


def find_leftovers(collection: Path, segments: Sequence[SegmentEntry]) -> list[Path]:
    """Folders of segments and files of tombstones that none of these entries names, and drafts of the manifest."""
    named = {collection / SEGMENTS / entry.id for entry in segments}
    named |= {collection / TOMBSTONES / entry.tombstones.file for entry in segments if entry.tombstones}
    found = [path for folder in (SEGMENTS, TOMBSTONES) for path in sorted((collection / folder).glob("*"))]
    drafts = collection.glob(f"{MANIFEST}{DRAFT}")
    return [*(path for path in found if path not in named), *drafts]
