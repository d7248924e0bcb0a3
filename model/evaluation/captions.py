"""Captioned images as one JSON object a line: `{"image": ..., "split": ..., "captions": [...]}`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.errors import BadFeatures


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    image: str  # file name, relative to the folder of the images
    captions: tuple[str, ...]
    split: str | None = None
    size: tuple[int, int] | None = None  # width and height in pixels, which published region features need


def read_captions(path: Path, *, split: str | None = None) -> list[CaptionedImage]:
    """All images of the file, or those of one split."""
    images = [image for image in _lines(path) if split is None or image.split == split]
    if not images:
        wanted = f" of split {split!r}" if split else ""
        raise BadFeatures(f"{path} names no captioned image{wanted}")
    return images


def _lines(path: Path) -> Iterator[CaptionedImage]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # not splitlines: JSON may hold other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise BadFeatures(f"the captions cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            captions = tuple(values["captions"])
            if not captions or not all(isinstance(caption, str) and caption.strip() for caption in captions):
                raise ValueError("`captions` must be a list of sentences")
            size = (int(values["width"]), int(values["height"])) if "width" in values else None
            yield CaptionedImage(str(values["image"]), captions, values.get("split"), size)
        except (ValueError, KeyError, TypeError) as error:
            raise BadFeatures(f"{path}, line {number}: not a captioned image: {error!r}") from error
