"""Garbage collection: remove what no commit names and nobody is writing."""

import os
import shutil
from pathlib import Path

from indexer.index.errors import NoCommit
from indexer.index.leftovers import find_leftovers
from indexer.index.locks import claim_folder, writer_lock
from indexer.index.manifest import read_manifest


def collect_garbage(collection: Path) -> list[Path]:
    """Remove leftovers and return them. Who has their files mapped reads on; who is about to open them looks anew."""
    with writer_lock(collection):
        try:
            segments = read_manifest(collection).segments
        except NoCommit:
            segments = ()
        return [path for path in find_leftovers(collection, segments) if _remove(path)]


def _remove(path: Path) -> bool:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return True
    claim = claim_folder(path)
    if claim is None:
        return False
    try:
        shutil.rmtree(path)
    finally:
        os.close(claim)
    return True
