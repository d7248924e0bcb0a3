"""Files that are on the disk when we say so, and that we know again: fsync, atomic replacement, checksums."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import xxhash

from indexer.index.errors import Damaged, Missing

BLOCK = 2**20  # bytes read or buffered at once


@dataclass(frozen=True, slots=True)
class FileSeal:
    """By what a file is known again."""

    size: int
    checksum: str  # XXH3-128, 32 hex digits

    def to_json(self) -> dict[str, object]:
        return {"size": self.size, "xxh3_128": self.checksum}

    @classmethod
    def from_json(cls, seal: Mapping[str, Any]) -> "FileSeal":
        return cls(int(seal["size"]), str(seal["xxh3_128"]))


class SealedFile:
    """A new file, sealed while it is written: what the disk makes of the bytes cannot slip into the checksum."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=BLOCK)
        self._hash = xxhash.xxh3_128()
        self._size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self._size += len(data)
        return self._file.write(data)

    def seal(self) -> FileSeal:
        """Bring the file to the disk and close it; its folder is the caller's to fsync."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return FileSeal(self._size, self._hash.hexdigest())

    def close(self) -> None:
        """Give up a file that was not sealed; nothing happens to one that was."""
        with suppress(OSError):  # the disk may be full, and the bytes in the buffer are not wanted any more
            self._file.close()


def write_sealed(path: Path, data: bytes) -> FileSeal:
    """Write a new file whole; its folder is the caller's to fsync."""
    file = SealedFile(path)
    try:
        file.write(data)
        return file.seal()
    finally:
        file.close()


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file whole: a reader sees the old one or the new one, never a mixture, even after a crash."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    write_sealed(draft, data)
    draft.replace(path)
    fsync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, and let them outlive a crash."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        fsync_folder(path.parent)


def fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_seal(path: Path, seal: FileSeal) -> None:
    """Raise Damaged unless the file is what was written, Missing if it is gone."""
    digest, block = xxhash.xxh3_128(), memoryview(bytearray(BLOCK))
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size != seal.size:
            raise Damaged(path, f"it has {size} bytes, {seal.size} were written")
        while length := file.readinto(block):
            digest.update(block[:length])
    if digest.hexdigest() != seal.checksum:
        raise Damaged(path, "its checksum is not that of what was written")


def read_sealed(path: Path, seal: FileSeal) -> bytes:
    """The bytes of a small file. Raises Damaged unless they are those that were written, Missing if it is gone."""
    with _opened(path) as file:
        data = file.readall()
    if FileSeal(len(data), checksum_of(data)) != seal:
        raise Damaged(path, "its size or checksum is not that of what was written")
    return data


def checksum_of(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)


def _opened(path: Path) -> FileIO:
    try:
        return FileIO(path)
    except FileNotFoundError:
        raise Missing(path) from None
