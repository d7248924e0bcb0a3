"""Decoded photographs as an encoder takes them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from indexer.decode import Decoded
from indexer.decode_pool import DecodePool
from indexer.errors import DecodeError
from model.embeddings import Picture
from model.encoder import Encoder


def pool_for(encoder: Encoder, *, processes: int | None = None) -> DecodePool:
    """As many processes as there are cores: while the encoder computes on all of them, some wait for the disk."""
    return DecodePool(processes=processes or os.cpu_count() or 1, framing=encoder.framing)


def picture_of(decoded: Decoded, *, name: str = "") -> Picture:
    return Picture(decoded.pixels, decoded.width, decoded.height, name)


def read_pictures(pool: DecodePool, files: Iterable[Path]) -> Iterator[Picture]:
    """All of the files, in their order. Raises DecodeError with the file's name at the first that cannot be decoded."""
    for file, outcome in pool.decode((file, file) for file in files):
        if isinstance(outcome, DecodeError):
            raise DecodeError(outcome.code, f"{file}: {outcome}")
        yield picture_of(outcome, name=file.name)
