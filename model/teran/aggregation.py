"""The five ways in which TERAN makes one global vector of a sequence (specified for its matching loss)."""

from typing import Protocol

import torch
from torch import Tensor, nn

from model.teran.config import AggregationKind


class Aggregation(Protocol):
    def __call__(self, vectors: Tensor, real: Tensor) -> Tensor:
        """vectors [N, L, D], real [N, L] bool -> [N, D]."""


def mapping(width: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width_out))


class First(nn.Module):
    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:
        return vectors[:, 0]


class Sum(nn.Module):
    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:
        return (vectors * real[..., None]).sum(dim=1)


class SumAndMap(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = mapping(width, width)

    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:
        mapped: Tensor = self.map((vectors * real[..., None]).sum(dim=1))
        return mapped


class Gated(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = mapping(width, 1)
        self.node = mapping(width, width)

    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:
        gates = torch.sigmoid(self.gate(vectors)) * real[..., None]  # [N, L, 1]
        nodes: Tensor = self.node(vectors)
        return (gates * nodes).sum(dim=1)


class Gru(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:
        states, _ = self.gru(vectors)  # [N, L, D]
        last = real.sum(dim=1) - 1  # [N]
        final: Tensor = states[torch.arange(len(states), device=states.device), last]
        return final


def build_aggregation(kind: AggregationKind, width: int) -> Aggregation:
    match kind:
        case AggregationKind.FIRST:
            return First()
        case AggregationKind.SUM:
            return Sum()
        case AggregationKind.SUM_AND_MAP:
            return SumAndMap(width)
        case AggregationKind.GATED:
            return Gated(width)
        case AggregationKind.GRU:
            return Gru(width)
