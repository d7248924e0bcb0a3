"""Sets of vectors of which some places are padding: what a mean, a length and a batch norm are over the real ones.

Letters in shapes: N items, L places (regions, words), D width; `real` [N, L] bool.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.selfalign.config import Scaling


class PlaceNorm(nn.BatchNorm1d):
    """Batch norm over the real places of all items; padding comes out as if it were one of them."""

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """x [N, L, D], real [N, L], all without one -> [N, L, D]."""
        if not self.training or real is None or bool(real.all()):
            return super().forward(x.flatten(0, 1)).view_as(x)
        out = torch.zeros_like(x)
        out[real] = super().forward(x[real])
        return out


def mean_of_places(x: Tensor, real: Tensor) -> Tensor:
    """[N, L, D] -> [N, D]"""
    weights = real.to(x.dtype)[..., None]  # [N, L, 1]
    return (x * weights).sum(dim=1) / weights.sum(dim=1)


def scale(x: Tensor, scaling: Scaling, real: Tensor) -> Tensor:
    """x [N, L, D] -> [N, L, D]"""
    match scaling:
        case Scaling.VECTOR:
            return unit(x)
        case Scaling.FEATURE:
            return F.normalize(x * real[..., None], dim=1, eps=1e-12)
        case Scaling.NONE:
            return x


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1, eps=1e-12)


def places(lengths: Tensor, width: int, *, padding_counts: bool) -> Tensor:
    """Which of `width` places take part, [N, width] bool."""
    counted = torch.full_like(lengths, width) if padding_counts else lengths
    return torch.arange(width, device=lengths.device) < counted[:, None]
