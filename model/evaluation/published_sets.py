"""COCO and Flickr30k in the folders that TERAN was published with: which sentences describe which image in a split."""

import io
import json
import pickle
from collections.abc import Sequence
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
    part = "train2014" if split == "train" else "val2014"
    content = _read_json(folder / f"captions_{part}.json")
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    annotations = {annotation["id"]: annotation for annotation in content["annotations"]}
    ids = np.load(folder / f"coco_{split}_ids.npy", allow_pickle=False).tolist()
    if split == "dev":
        ids = ids[:DEV_CAPTIONS]
    rows: dict[int, int] = {}
    owners, sentences = [], []
    for annotation_id in ids:
        annotation = annotations[annotation_id]
        owners.append(rows.setdefault(annotation["image_id"], len(rows)))
        sentences.append(annotation["caption"])
    images = tuple(PublishedImage(str(image), *sizes[image]) for image in rows)
    files = tuple(f"{part}/COCO_{part}_{image:012}.jpg" for image in rows)
    return PublishedSet(images, files, tuple(sentences), tuple(owners))


def read_flickr30k(data: Path, split: str) -> PublishedSet:
    """`split`: train, val or test; feature files are named by an image's place in the whole list."""
    content = _read_json(data / "f30k" / "annotations" / "dataset_flickr30k.json")
    sizes = _flickr30k_sizes(data / "f30k" / "images", [image["filename"] for image in content["images"]])
    images: list[PublishedImage] = []
    files, sentences, owners = [], [], []
    for place, image in enumerate(content["images"]):
        if image["split"] != split:
            continue
        for sentence in image["sentences"]:
            sentences.append(sentence["raw"])
            owners.append(len(images))
        images.append(PublishedImage(str(place), *sizes[place]))
        files.append(image["filename"])
    return PublishedSet(tuple(images), tuple(files), tuple(sentences), tuple(owners))


def _flickr30k_sizes(folder: Path, files: Sequence[str]) -> list[tuple[int, int]]:
    """From the published list; where that is missing, from the photographs themselves."""
    if (folder / "sizes.pkl").exists():
        return _read_sizes(folder / "sizes.pkl")
    sizes = []
    for file in files:
        with Image.open(folder / file) as photograph:
            sizes.append(photograph.size)
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
