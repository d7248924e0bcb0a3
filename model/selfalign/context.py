"""The context head, which SelfAlign adds to every side of its base."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.selfalign.places import PlaceNorm, mean_of_places, unit


@dataclass(frozen=True, slots=True)
class Context:
    """What a side says of its item as a whole and of its places; all of length one."""

    whole: Tensor  # [N, D]
    local: Tensor  # [N, L, D]
    fused: Tensor  # [N, D], the whole and the plain mean of the places


class ContextHead(nn.Module):
    def __init__(self, width: int, *, relu: bool) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)
        self.whole_norm = nn.BatchNorm1d(width)
        self.local_norm = PlaceNorm(width)
        self.gate = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.activate = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor, real: Tensor) -> Context:
        """x [N, L, D], real [N, L]"""
        mean = mean_of_places(x, real)  # [N, D]
        whole = self.activate(self.whole_norm(self.map(mean)))  # [N, D]
        local = self.activate(self.local_norm(x, real))  # [N, L, D]
        share = torch.sigmoid(self.gate(torch.cat([mean, whole], dim=1)))  # [N, 1]
        return Context(unit(whole), unit(local), unit(share * mean + (1 - share) * whole))
