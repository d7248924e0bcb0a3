"""Which files are to be indexed: the pictures below the files and folders that somebody named."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from indexer.ledger.errors import NoSuchPath, OutsideRoots

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})

logger = logging.getLogger(__name__)


def scan(roots: Sequence[Path]) -> Iterator[Path]:
    """Absolute paths in an order that depends on names alone; a file that is itself a root comes whatever its suffix.

    Below a root, hidden files and symbolic links are passed over: what a link points to comes by its own path if it
    lies in the root, and was not asked for if it does not. A folder that cannot be read is logged and passed over.
    """
    real_roots = [_existing(root) for root in roots]  # a wrong name is an error at once, not when its turn comes
    return (path for root in real_roots for path in _pictures_in(root))


def resolve_under(path: str, roots: Sequence[Path]) -> Path:
    """The real path of what a stranger named, which must lie in one of the roots; a relative one is sought in each.

    Whether something exists outside of the roots cannot be told from the error.
    """
    candidates = [real for root in roots if (real := _inside(path, root.resolve())) is not None]
    if not candidates:
        raise OutsideRoots(f"{path!r} does not lie in a folder that may be indexed")
    for real in candidates:
        if os.path.exists(real):  # noqa: PTH110  unlike Path.exists, it raises nothing
            return real
    raise NoSuchPath(f"{path!r} does not exist")


def _existing(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        raise NoSuchPath(f"{path} cannot be scanned: {error}") from error


def _pictures_in(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield root
        return
    waiting = [root]
    while waiting:
        files, folders = _children(waiting.pop())
        yield from files
        waiting.extend(reversed(folders))


def _children(folder: Path) -> tuple[list[Path], list[Path]]:
    files, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                elif entry.is_file(follow_symlinks=False) and Path(entry.name).suffix.lower() in SUFFIXES:
                    files.append(folder / entry.name)
    except OSError as error:
        logger.warning("passed over %s, which cannot be read: %s", folder, error.strerror)
    return sorted(files), sorted(folders)


def _inside(path: str, root: Path) -> Path | None:
    if ".." in Path(path).parts:
        return None
    try:
        real = (root / path).resolve()
    except (OSError, RuntimeError, ValueError):  # too long, a loop of symbolic links, a NUL
        return None
    return real if real.is_relative_to(root) else None
