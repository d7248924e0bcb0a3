"""What a client says of the photographs in a form: a line of JSON for each that it has something to say of."""

from collections.abc import Collection
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from service.errors import InvalidRequest

LONGEST_LINE: Final = 16_384  # characters

Metadata = dict[str, Any]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class ManifestLine:
    filename: str  # of one of the files of the form
    metadata: Metadata


LINE: Final = TypeAdapter(ManifestLine)


def read_manifest(text: str, *, filenames: Collection[str]) -> dict[str, Metadata]:
    """The metadata of each file that is named. Raises InvalidRequest, with the number of the line."""
    metadata: dict[str, Metadata] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if len(line) > LONGEST_LINE:
            raise InvalidRequest(f"line {number} of the manifest is longer than {LONGEST_LINE:,} characters")
        try:
            told = LINE.validate_json(line)
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False)
            where = ".".join(map(str, first["loc"]))
            raise InvalidRequest(f"line {number} of the manifest: {where} {first['msg']}".replace("  ", " ")) from error
        if told.filename not in filenames or told.filename in metadata:
            what = "is named twice" if told.filename in metadata else "is no file of this form"
            raise InvalidRequest(f"line {number} of the manifest: {told.filename!r} {what}")
        metadata[told.filename] = told.metadata
    return metadata
