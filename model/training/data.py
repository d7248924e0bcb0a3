"""The captioned images of a recipe: which there are, and where they lie."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.errors import BadRecipe
from model.evaluation.captions import CaptionedImage, read_captions
from model.evaluation.published_sets import PublishedSet, read_coco, read_flickr30k
from model.regions.files import PublishedImage
from model.training.recipe import DataTable, Layout

FIRST: Final = 3  # missing files that are named


@dataclass(frozen=True, slots=True)
class CaptionedImages:
    """One side of a training's data; of every image its captions, and either a file or published features."""

    captions: tuple[tuple[str, ...], ...]
    files: tuple[Path, ...]
    published: tuple[PublishedImage, ...]

    def __len__(self) -> int:
        return len(self.captions)

    def told(self) -> list[str]:
        """What these images are, wherever they lie."""
        return [repr(self.captions), repr([file.name for file in self.files]), repr(self.published)]


def read_training_data(table: DataTable, root: Path) -> tuple[CaptionedImages, CaptionedImages]:
    """What is trained on, and what is validated with; all files of both are there."""
    train, validation = _read(table, root)
    _check_there(table, root, (train, validation))
    return train, validation


def _read(table: DataTable, root: Path) -> tuple[CaptionedImages, CaptionedImages]:
    if table.layout is Layout.JSONL:
        train, validation = _split_lines(table, root)
        return _of_lines(table, root, train), _of_lines(table, root, validation)
    read = read_coco if table.layout is Layout.COCO else read_flickr30k
    assert table.validation is not None
    parts = [_of_set(table, root, read(root / table.captions, split)) for split in (*table.train, table.validation)]
    *training, held_back = parts
    return _joined(training), held_back


def _split_lines(table: DataTable, root: Path) -> tuple[list[CaptionedImage], list[CaptionedImage]]:
    path = root / table.captions
    if table.validation is not None:
        named = [image for split in table.train for image in read_captions(path, split=split)]
        return named, read_captions(path, split=table.validation)
    every, train, validation = read_captions(path), list[CaptionedImage](), list[CaptionedImage]()
    for image in every:
        if image.split is None or image.split in table.train:
            (validation if _share(image.image) < table.held_out else train).append(image)
    if not train or not validation:
        others = sorted({image.split for image in every if image.split is not None} - set(table.train))
        raise BadRecipe(
            f"{path}: {len(train)} images to train on and {len(validation)} held out: there must be more"
            + (f"; left out are the splits that data.train does not name: {', '.join(others)}" if others else "")
        )
    return train, validation


def _share(name: str) -> float:
    """Always the same number in 0..1 for a name, so that an image which was held out once stays so."""
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:4]) / 2**32


def _of_lines(table: DataTable, root: Path, images: Sequence[CaptionedImage]) -> CaptionedImages:
    captions = tuple(image.captions for image in images)
    if table.images is not None:
        return CaptionedImages(captions, tuple(root / table.images / image.image for image in images), ())
    published = []
    for image in images:
        if image.size is None:
            raise BadRecipe(f"{table.captions}: {image.image} needs `width` and `height`, by which boxes are divided")
        published.append(PublishedImage(Path(image.image).stem, *image.size))
    return CaptionedImages(captions, (), tuple(published))


def _of_set(table: DataTable, root: Path, found: PublishedSet) -> CaptionedImages:
    captions: list[list[str]] = [[] for _ in found.images]
    for sentence, owner in zip(found.sentences, found.owners, strict=True):
        captions[owner].append(sentence)
    files = tuple(root / table.images / file for file in found.files) if table.images is not None else ()
    return CaptionedImages(tuple(map(tuple, captions)), files, () if files else found.images)


def _joined(parts: Sequence[CaptionedImages]) -> CaptionedImages:
    return CaptionedImages(
        tuple(captions for part in parts for captions in part.captions),
        tuple(file for part in parts for file in part.files),
        tuple(image for part in parts for image in part.published),
    )


def _check_there(table: DataTable, root: Path, parts: Sequence[CaptionedImages]) -> None:
    """All at once and at the start: a training would come upon them one by one, and late."""
    what, folder = ("images", table.images) if table.images is not None else ("features", table.features)
    assert folder is not None
    folder = root / folder
    if not folder.is_dir():
        raise BadRecipe(f"{folder} is no folder: data.{what} must name that of the {what}")
    needed = [file for part in parts for file in part.files]
    needed += [file for part in parts for image in part.published for file in image.files(folder)]
    missing = [file for file in needed if not file.is_file()]
    if not missing:
        return
    told = ", ".join(map(str, missing[:FIRST])) + (", ..." if len(missing) > FIRST else "")
    advice = f"data.{what} must name the folder that the names begin at"
    if len(missing) < len(needed):
        advice = "add them, or leave these images out of the captions"
    captions = root / table.captions
    raise BadRecipe(f"{len(missing)} of the {len(needed)} files that {captions} asks for are missing: {told}; {advice}")
