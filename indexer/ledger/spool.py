"""Uploaded bytes lie in a folder beside the ledger until their item is finished."""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from indexer.index.durable_files import fsync_folder, make_folder
from indexer.ledger.errors import DiskFull, UploadTooLarge
from indexer.ledger.ledger import Ledger

UPLOADS = "uploads"  # in the data folder
BLOCK = 2**20  # bytes held at once


class Upload(Protocol):
    """Any file that is open for reading bytes."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SpooledFile:
    path: Path
    image_id: str
    size: int  # bytes


class Spool:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        make_folder(self.folder)

    def write(self, upload: Upload, *, limit: int) -> SpooledFile:
        """Copy an upload of at most `limit` bytes to the disk; call sync() before its job is submitted."""
        path = self.folder / secrets.token_hex(16)
        draft = path.with_suffix(".draft")
        try:
            with _told_of_full_disk(self.folder):
                image_id, size = _copy(upload, draft, limit=limit)
                return SpooledFile(draft.rename(path), image_id, size)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def sync(self) -> None:
        """Let the names of the files written so far outlive a crash, as their bytes do already."""
        fsync_folder(self.folder)

    def remove(self, path: Path) -> None:
        """Remove a spooled file; one that lies elsewhere is never touched."""
        (self.folder / path.name).unlink(missing_ok=True)

    def sweep(self, ledger: Ledger, *, older_than: timedelta) -> int:
        """Remove what no unfinished item names, as a crash may leave it; the number of files.

        Younger files are left alone: their job may be about to be submitted.
        """
        bound = time.time() - older_than.total_seconds()
        old = [file for file in self.folder.iterdir() if _is_old(file, bound)]
        needed = ledger.unfinished_uploads()
        left_over = [file for file in old if file not in needed]
        for file in left_over:
            file.unlink(missing_ok=True)
        return len(left_over)


def _is_old(file: Path, bound: float) -> bool:
    try:
        return file.is_file() and file.stat().st_mtime < bound
    except FileNotFoundError:  # its job has just finished
        return False


def _copy(upload: Upload, target: Path, *, limit: int) -> tuple[str, int]:
    """The content id and the size of what was copied."""
    digest, size = blake3(), 0
    with target.open("xb") as file:
        while block := upload.read(BLOCK):
            size += len(block)
            if size > limit:
                raise UploadTooLarge(f"the upload has more than {limit} bytes, which is the limit: send a smaller file")
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return f"b3:{digest.hexdigest(length=16)}", size


@contextmanager
def _told_of_full_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(f"{folder}: there is no room to write; free some and try again") from error
