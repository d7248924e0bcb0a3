"""Captioned images as JSON lines, `{"image": ..., "split": ..., "captions": [...]}`, one or several of an image."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.errors import BadFeatures


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    image: str  # file name, relative to the folder of the images
    captions: tuple[str, ...]
    split: str | None = None
    size: tuple[int, int] | None = None  # width and height in pixels, which published region features need


def read_captions(path: Path, *, split: str | None = None) -> list[CaptionedImage]:
    """All images of the file, or those of one split; lines of the same image are one image with all their captions."""
    every = _joined(path)
    images = [image for image in every if split is None or image.split == split]
    if not images:
        wanted = f" of split {split!r}; those that there are: {_splits(every)}" if split else ""
        raise BadFeatures(f"{path} names no captioned image{wanted}")
    return images


def _joined(path: Path) -> list[CaptionedImage]:
    images: dict[str, CaptionedImage] = {}
    for number, line in _lines(path):
        try:
            one = _of_line(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise BadFeatures(f"{path}, line {number}: not a captioned image: {error!r}") from error
        before = images.get(one.image, replace(one, captions=()))
        if (before.split, before.size) != (one.split, one.size):
            raise BadFeatures(f"{path}, line {number}: {one.image} has another split or size on a line before")
        images[one.image] = replace(one, captions=(*before.captions, *one.captions))
    return list(images.values())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Those that are not empty, and their numbers."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # not splitlines: JSON may hold other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise BadFeatures(f"the captions cannot be read: {error}") from error
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _of_line(values: Any) -> CaptionedImage:  # noqa: ANN401  whatever JSON holds
    image, captions, split = values["image"], values["captions"], values.get("split")
    if not isinstance(image, str) or not isinstance(split, str | None):
        raise ValueError("`image` and `split` must be text")
    if not (isinstance(captions, list) and captions and all(isinstance(one, str) and one.strip() for one in captions)):
        raise ValueError("`captions` must be a list of sentences")
    size = (int(values["width"]), int(values["height"])) if "width" in values else None
    return CaptionedImage(image, tuple(captions), split, size)


def _splits(images: list[CaptionedImage]) -> str:
    return ", ".join(sorted({image.split for image in images if image.split is not None})) or "none"
