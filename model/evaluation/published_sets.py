"""COCO and Flickr30k in the folders that TERAN was published with: which sentences describe which image in a split."""

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from model.errors import BadFeatures
from model.regions.files import PublishedImage

DEV_CAPTIONS = 5000  # of COCO's dev split only the first ones were used


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """One split; sentence c describes image owners[c]."""

    images: tuple[PublishedImage, ...]
    files: tuple[str, ...]  # the photograph of each, below the folder of the data set's images
    sentences: tuple[str, ...]
    owners: tuple[int, ...]


def read_coco(data: Path, split: str) -> PublishedSet:
    """`split`: train, restval, dev or test, each a list of annotation ids, five in a row for each image."""
    folder = data / "coco" / "annotations"
    ids = _read_ids(folder, split)
    part = "train2014" if split == "train" else "val2014"
    content = _read_json(folder / f"captions_{part}.json")
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    annotations = {annotation["id"]: annotation for annotation in content["annotations"]}
    rows: dict[int, int] = {}
    owners, sentences = [], []
    for annotation_id in ids:
        annotation = annotations.get(annotation_id)
        if annotation is None:
            raise BadFeatures(
                f"captions_{part}.json in {folder} has no annotation {annotation_id}, which coco_{split}_ids.npy names:"
                " both must be of COCO 2014"
            )
        owners.append(rows.setdefault(annotation["image_id"], len(rows)))
        sentences.append(annotation["caption"])
    images = tuple(PublishedImage(str(image), *sizes[image]) for image in rows)
    files = tuple(f"{part}/COCO_{part}_{image:012}.jpg" for image in rows)
    return PublishedSet(images, files, tuple(sentences), tuple(owners))


def _read_ids(folder: Path, split: str) -> list[int]:
    path = folder / f"coco_{split}_ids.npy"
    try:
        ids: list[int] = np.load(path, allow_pickle=False).tolist()
    except (OSError, EOFError, ValueError) as error:
        there = ", ".join(sorted(other.name for other in folder.glob("coco_*_ids.npy"))) or "none"
        raise BadFeatures(
            f"{path} cannot be read: {error}. COCO's split {split!r} is the list of annotation ids in this file,"
            f" which comes with the published splits, not with COCO itself; of such lists there are here: {there}"
        ) from error
    if not ids:
        raise BadFeatures(f"{path} is an empty list")
    return ids[:DEV_CAPTIONS] if split == "dev" else ids


def read_flickr30k(data: Path, split: str) -> PublishedSet:
    """`split`: train, val or test; feature files are named by an image's place in the whole list."""
    path = data / "f30k" / "annotations" / "dataset_flickr30k.json"
    every = _read_json(path)["images"]
    wanted = {place: image for place, image in enumerate(every) if image["split"] == split}
    if not wanted:
        there = ", ".join(sorted({image["split"] for image in every}))
        raise BadFeatures(f"{path} has no images of split {split!r}; those that there are: {there}")
    sizes = _flickr30k_sizes(data / "f30k" / "images", {place: image["filename"] for place, image in wanted.items()})
    images: list[PublishedImage] = []
    files, sentences, owners = [], [], []
    for place, image in wanted.items():
        for sentence in image["sentences"]:
            sentences.append(sentence["raw"])
            owners.append(len(images))
        images.append(PublishedImage(str(place), *sizes[place]))
        files.append(image["filename"])
    return PublishedSet(tuple(images), tuple(files), tuple(sentences), tuple(owners))


def _flickr30k_sizes(folder: Path, files: Mapping[int, str]) -> dict[int, tuple[int, int]]:
    """From the published list, by place; where that is missing, from the photographs themselves."""
    if (folder / "sizes.pkl").exists():
        published = _read_sizes(folder / "sizes.pkl")
        if max(files) >= len(published):
            raise BadFeatures(f"{folder / 'sizes.pkl'} has {len(published)} sizes; there are more images")
        return {place: published[place] for place in files}
    sizes = {}
    for place, file in files.items():
        try:
            with Image.open(folder / file) as photograph:
                sizes[place] = photograph.size
        except OSError as error:
            raise BadFeatures(f"without sizes.pkl in {folder}, sizes are those of the photographs: {error}") from error
    return sizes


class _PlainUnpickler(pickle.Unpickler):
    """Lists, tuples and numbers need no class; anything else is refused before it is run."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def _read_sizes(path: Path) -> list[tuple[int, int]]:
    try:
        return [(int(width), int(height)) for width, height in _PlainUnpickler(io.BytesIO(path.read_bytes())).load()]
    except (OSError, pickle.UnpicklingError, EOFError, TypeError, ValueError) as error:
        raise BadFeatures(f"{path} is not a list of image sizes: {error}") from error


def _read_json(path: Path) -> Any:  # noqa: ANN401  the layout is the data set's
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFeatures(f"{path} cannot be read: {error}") from error
