"""What can go wrong while an index is built.

IndexerError
├── DecodeError         one photograph cannot be decoded; its code says why, and its neighbours are not touched
├── DecoderNotStarted   the processes that decode photographs do not come up: nothing can be indexed
└── NothingToKeep       pruning would delete all images of a path
"""

from enum import StrEnum


class DecodeCode(StrEnum):
    """Kept with the item and shown to users: a code never changes its meaning."""

    UNREADABLE = "image_unreadable"  # the file is gone, forbidden, or not a regular file
    EMPTY = "image_empty"
    UNSUPPORTED = "image_unsupported"  # no picture, or of a form this service does not take
    TRUNCATED = "image_truncated"  # begins well, then is cut short or damaged
    TOO_SMALL = "image_too_small"
    TOO_LARGE = "image_too_large"  # in bytes, in pixels, or in the memory that decoding takes
    TIMEOUT = "image_timeout"
    CRASHED = "decoder_crashed"


class IndexerError(Exception):
    """The root: its message says what is wrong, where, and what to do."""


class DecodeError(IndexerError):
    def __init__(self, code: DecodeCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class DecoderNotStarted(IndexerError):
    pass


class NothingToKeep(IndexerError):
    pass
