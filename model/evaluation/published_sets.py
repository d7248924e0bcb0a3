"""COCO and Flickr30k in the folders that TERAN was published with: which sentences describe which image in a split."""

import io
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from model.errors import BadFeatures
from model.regions.files import PublishedImage

DEV_CAPTIONS = 5000  # of COCO's dev split only the first ones were used


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """One split; sentence c describes image owners[c]."""

    images: tuple[PublishedImage, ...]
    sentences: tuple[str, ...]
    owners: tuple[int, ...]


def read_coco(data: Path, split: str) -> PublishedSet:
    """`split`: train, restval, dev or test, each a list of annotation ids, five in a row for each image."""
    folder = data / "coco" / "annotations"
    content = _read_json(folder / f"captions_{'train' if split == 'train' else 'val'}2014.json")
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
    return PublishedSet(images, tuple(sentences), tuple(owners))


def read_flickr30k(data: Path, split: str) -> PublishedSet:
    """`split`: train, val or test; feature files are named by an image's place in the whole list."""
    content = _read_json(data / "f30k" / "annotations" / "dataset_flickr30k.json")
    sizes = _read_sizes(data / "f30k" / "images" / "sizes.pkl")
    images: list[PublishedImage] = []
    sentences, owners = [], []
    for place, image in enumerate(content["images"]):
        if image["split"] != split:
            continue
        for sentence in image["sentences"]:
            sentences.append(sentence["raw"])
            owners.append(len(images))
        images.append(PublishedImage(str(place), *sizes[place]))
    return PublishedSet(tuple(images), tuple(sentences), tuple(owners))


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
