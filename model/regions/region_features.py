"""What every way of finding regions gives: features and boxes, before any sentence is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.embeddings import Picture
from model.errors import NoRegions


@dataclass(frozen=True, slots=True)
class RegionFeatures:
    """The regions of N images, padded with zeros to the most that one of them has."""

    features: Tensor  # [N, R, F] float32
    boxes: Tensor  # [N, R, 4] float32: x0, y0, x1, y1 as shares of width and height
    counts: Tensor  # [N] int64
    sizes: Tensor  # [N, 2] float32: width and height of the photographs in pixels

    def to(self, device: torch.device) -> "RegionFeatures":
        return RegionFeatures(
            self.features.to(device), self.boxes.to(device), self.counts.to(device), self.sizes.to(device)
        )


class RegionExtractor(Protocol):
    @property
    def feature_width(self) -> int:
        """F"""

    @property
    def picture_side(self) -> int:
        """Pixels of the square that pictures are squashed to before they come here."""

    def extract(self, pictures: Sequence[Picture]) -> RegionFeatures: ...


def extractor_of(regions: RegionExtractor | None, *, name: str) -> RegionExtractor:
    """What a model called `name` looks at pictures with. Raises NoRegions."""
    if regions is None:
        raise NoRegions(
            f"{name} cannot look at pictures: it takes the region features it was trained with."
            " Name their folder with --features or TERAN_FEATURES: for a photograph dog.jpg it holds bu_att/dog.npz"
            " (array `feat`, [R, width]) and bu_box/dog.npy ([R, 4], pixels)"
        )
    return regions


def sizes_of(pictures: Sequence[Picture]) -> Tensor:
    """[N, 2] float32"""
    return torch.tensor([(picture.width, picture.height) for picture in pictures], dtype=torch.float32)
