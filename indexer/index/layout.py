"""Where the parts of a collection lie on the disk.

<data>/collections/<collection>/
  manifest.json             the commit: all that is live hangs on this one small file
  segments/<segment>/       images that were written together and are never changed (segment.py)
  tombstones/               the deleted rows of a segment, a new file for every commit that deletes
  writer.lock               held by the one who commits
"""

import re
from pathlib import Path

from indexer.index.errors import BadCollectionName, UnknownFormat

FORMAT = 4  # of all files of a collection; a program reads its own alone
MANIFEST, WRITER_LOCK = "manifest.json", "writer.lock"
SEGMENTS, TOMBSTONES = "segments", "tombstones"
DRAFT = ".draft"  # ends the name of what is still being written

_COLLECTIONS = "collections"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def collection_path(data: Path, name: str) -> Path:
    """The folder of a collection that may not exist yet. No name leads out of `data`."""
    if not _NAME.fullmatch(name):
        raise BadCollectionName(
            f"{name!r} is no name of a collection: use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or a digit"
        )
    return data / _COLLECTIONS / name


def list_collections(data: Path) -> list[str]:
    """The names of all collections that hold a commit, sorted."""
    return sorted(manifest.parent.name for manifest in data.glob(f"{_COLLECTIONS}/*/{MANIFEST}"))


def check_format(file: Path, found: object) -> None:
    if found != FORMAT:
        raise UnknownFormat(
            f"{file} is of format {found}, this program reads format {FORMAT}: "
            "use the release that wrote it, or index the images again"
        )
