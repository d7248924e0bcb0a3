"""What is known of an image beside its vectors, and the id that its content gives it."""

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

import blake3

ID_LENGTH = 35  # "b3:" and 32 hex digits
_ID = re.compile(r"b3:[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Record:
    id: str
    name: str  # as its owner calls it
    source: str  # where it came from
    width: int  # pixels of the upright original
    height: int
    size: int  # bytes of the file
    indexed_at: str  # ISO 8601, UTC
    item: str | None = None  # the item of the ledger that brought it
    metadata: dict[str, Any] = field(default_factory=dict)  # JSON


def content_id(data: bytes) -> str:
    """The id of an image is 128 bits of the BLAKE3 hash of its file: the same bytes, the same image."""
    return f"b3:{blake3.blake3(data).hexdigest(length=16)}"


def is_image_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def encode_record(record: Record) -> bytes:
    """Raises TypeError or ValueError for metadata that is not JSON."""
    # ASCII with escapes, so that file names which are not UTF-8 (lone surrogates in Python) come back as they were.
    return json.dumps(asdict(record), allow_nan=False, separators=(",", ":")).encode("ascii")


def decode_record(data: bytes) -> Record:
    return Record(**json.loads(data))
