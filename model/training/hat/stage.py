"""What a recipe says of a stage that trains HAT."""

from dataclasses import dataclass
from typing import Literal

from model.training.optimization import Optimization


@dataclass(frozen=True, slots=True)
class HatStage:
    name: str
    optimization: Optimization
    margin: float = 0.2
    hardest: bool = True  # only the worst wrong image and the worst wrong caption count, as published
    images: int = 58  # of a batch
    captions: int = 1  # of each of them
    smallest_crop: float = 0.08  # share of the picture's area
    # Of Swin and BERT; without it that of the projections, and 0 leaves them as they are, as published at first.
    backbone_lr: float | None = None
    unknown: float = 0.0  # share of word pieces that the sentence side does not get to see
    kind: Literal["hat"] = "hat"

    def __post_init__(self) -> None:
        if self.images < 2 or self.captions < 1:
            raise ValueError("images must be at least 2, captions at least 1")
        if not (0 < self.smallest_crop <= 1 and 0 <= self.unknown < 1 and 0 <= (self.backbone_lr or 0) < 1):
            raise ValueError("smallest_crop must lie in 0..1, unknown and backbone_lr in 0..1 without the 1")
