"""The parts of a TERAN that are trained together."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.regions.region_features import RegionFeatures
from model.regions.windows import WindowExtractor
from model.teran.network import Teran
from model.training.views import FoundRegions, PooledWindows, Seen, Views


class Rows(NamedTuple):
    """The vectors of some items that take part in a score."""

    vectors: Tensor  # [N, R, D] of images, [C, W, D] of captions
    real: Tensor  # [N, R] or [C, W] bool


class Trainee(nn.Module):
    def __init__(self, teran: Teran, regions: WindowExtractor | None) -> None:
        """Without `regions` it is trained on regions that were found elsewhere."""
        super().__init__()
        self.teran = teran
        self.regions = regions
        self.log_scale = nn.Parameter(torch.tensor(math.log(2.0)))

    def train(self, mode: bool = True) -> "Trainee":
        super().train(mode)
        if self.regions is not None:
            self.regions.convnet.eval()  # its normalisation keeps the statistics of the many pictures it has seen
        return self

    def embed_images(self, seen: Seen) -> Rows:
        return self.embed_regions(self.find_regions(seen))

    def embed_regions(self, found: RegionFeatures) -> Rows:
        vectors = self.teran.encode_regions(found.features, found.boxes, found.counts).vectors[:, 1:].float()
        return Rows(vectors, torch.arange(vectors.shape[1], device=vectors.device) < found.counts[:, None])

    def embed_captions(self, token_ids: Tensor, lengths: Tensor) -> Rows:
        """Without the two special pieces and the full stop."""
        vectors = self.teran.encode_tokens(token_ids, lengths).vectors[:, 1:-2].float()
        return Rows(vectors, torch.arange(vectors.shape[1], device=vectors.device) < lengths[:, None] - 3)

    def find_regions(self, seen: Seen) -> RegionFeatures:
        if isinstance(seen, FoundRegions):
            return seen.regions
        assert self.regions is not None
        match seen:
            case Views():
                features = self.regions(seen.pixels)
            case PooledWindows():
                features = self.regions.features_of_windows(seen.vectors)
        n, r, _ = features.shape
        counts = torch.full((n,), r, device=features.device)
        sizes = features.new_ones(n, 2)  # TERAN does not ask for them
        return RegionFeatures(features, self.regions.boxes.expand(n, -1, -1), counts, sizes)
