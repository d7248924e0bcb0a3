"""What every way of finding regions gives: features and boxes, before any sentence is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from model.embeddings import Picture


@dataclass(frozen=True, slots=True)
class RegionFeatures:
    """The regions of N images, padded with zeros to the most that one of them has."""

    features: Tensor  # [N, R, F] float32
    boxes: Tensor  # [N, R, 4] float32: x0, y0, x1, y1 as shares of width and height
    counts: Tensor  # [N] int64


class RegionExtractor(Protocol):
    @property
    def feature_width(self) -> int:
        """F"""

    @property
    def picture_side(self) -> int:
        """Pixels of the square that pictures are squashed to before they come here."""

    def extract(self, pictures: Sequence[Picture]) -> RegionFeatures: ...
