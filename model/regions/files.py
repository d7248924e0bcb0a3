"""Published bottom-up-attention features: `bu_att/<id>.npz` (`feat`) and `bu_box/<id>.npy` (boxes in pixels)."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.embeddings import Picture
from model.errors import BadFeatures
from model.regions.region_features import RegionFeatures

BEYOND = 0.01  # share of a side by which a box may reach over the border, as rounded ones do


@dataclass(frozen=True, slots=True)
class PublishedImage:
    """Where an image's features lie, and its size, by which its boxes are divided."""

    feature_id: str
    width: int
    height: int

    def files(self, root: Path) -> tuple[Path, Path]:
        """Of the features, and of the boxes."""
        return root / "bu_att" / f"{self.feature_id}.npz", root / "bu_box" / f"{self.feature_id}.npy"


@dataclass(frozen=True, slots=True)
class FeatureFiles:
    """A RegionExtractor that looks nothing up but the names of the pictures: dog.jpg has the features `dog`."""

    root: Path
    feature_width: int
    picture_side: int = 32  # the pixels are not looked at

    def extract(self, pictures: Sequence[Picture]) -> RegionFeatures:
        return self.read(
            [PublishedImage(Path(picture.name).stem, picture.width, picture.height) for picture in pictures]
        )

    def read(self, images: Sequence[PublishedImage]) -> RegionFeatures:
        """What fits neither the model nor its picture is refused."""
        regions = read_region_features(self.root, images)
        width = regions.features.shape[2]
        if width != self.feature_width:
            raise BadFeatures(f"the features in {self.root} are {width} wide; the model takes {self.feature_width}")
        beyond = (regions.boxes < -BEYOND) | (regions.boxes > 1 + BEYOND)
        for image, outside in zip(images, beyond.flatten(1).any(dim=1).tolist(), strict=True):
            if outside:
                raise BadFeatures(
                    f"boxes of {image.feature_id} lie outside of its {image.width} x {image.height} pixels:"
                    " they were found in a picture of another size"
                )
        return replace(regions, boxes=regions.boxes.clamp(0, 1))


def read_region_features(root: Path, images: Sequence[PublishedImage]) -> RegionFeatures:
    """Features and boxes of the images, boxes as shares of width and height."""
    pairs = [_read(root, image) for image in images]
    if len(widths := {features.shape[1] for features, _ in pairs}) > 1:
        raise BadFeatures(f"the features in {root} are not of one width: {', '.join(map(str, sorted(widths)))}")
    counts = torch.tensor([len(features) for features, _ in pairs])
    sizes = torch.tensor([(image.width, image.height) for image in images], dtype=torch.float32)
    return RegionFeatures(_pad([features for features, _ in pairs]), _pad([boxes for _, boxes in pairs]), counts, sizes)


def _read(root: Path, image: PublishedImage) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    feature_file, box_file = image.files(root)
    try:
        with np.load(feature_file, allow_pickle=False) as archive:
            features = np.asarray(archive["feat"], dtype=np.float32)
        pixels = np.load(box_file, allow_pickle=False)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadFeatures(f"the features of image {image.feature_id} cannot be read: {error}") from error
    if image.width <= 0 or image.height <= 0:
        raise BadFeatures(f"image {image.feature_id} has the size {image.width} x {image.height}")
    if features.ndim != 2 or pixels.shape != (len(features), 4) or not len(features):
        raise BadFeatures(f"{feature_file} has {features.shape} features, {box_file} has {pixels.shape} boxes")
    # Divided in float64, as the published code does: its numpy arrays of sizes are of integers.
    size = np.array([image.width, image.height, image.width, image.height])
    boxes = (pixels.astype(np.float64) / size).astype(np.float32)
    if not np.isfinite(features).all() or not np.isfinite(boxes).all():
        raise BadFeatures(f"the features of image {image.feature_id} hold numbers that are not finite")
    return features, boxes


def _pad(items: Sequence[NDArray[np.float32]]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(item) for item in items], batch_first=True)
