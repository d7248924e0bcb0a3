"""How weights are changed: AdamW, its rate over the steps, and the precision of the arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Optimization:
    epochs: int
    lr: float
    weight_decay: float = 0.05  # of matrices; vectors never decay
    warmup_steps: int = 200  # but at most a quarter of all
    # Epochs after which the rate falls to a tenth, as published; without it, half a cosine down to nothing.
    drop_every: int | None = None
    clip: float = 2.0  # greatest norm of all gradients together
    accumulate: int = 1  # batches a step; each is compared within itself
    average: float = 0.0  # decay of the mean of the weights that is validated and kept, as 0.995; 0 keeps the last ones
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    checkpoint_every: int = 200  # steps
    validate_every: int | None = None  # steps; without it, after every epoch
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {"epochs": self.epochs, "accumulate": self.accumulate, "checkpoint_every": self.checkpoint_every}
        optional = {"drop_every": self.drop_every, "validate_every": self.validate_every}
        for name, count in (counts | {key: value for key, value in optional.items() if value is not None}).items():
            if count < 1:
                raise ValueError(f"{name} is {count}: it must be at least 1")
        for name, number in {"lr": self.lr, "clip": self.clip}.items():
            if not 0 < number < math.inf:
                raise ValueError(f"{name} is {number}: it must be greater than 0")
        if not 0 <= self.average < 1:
            raise ValueError(f"average is {self.average}: it must lie in 0..1 without the 1")
        for name, number in {"weight_decay": self.weight_decay, "warmup_steps": self.warmup_steps}.items():
            if not 0 <= number < math.inf:
                raise ValueError(f"{name} is {number}: it must not be negative")

    @property
    def dtype(self) -> torch.dtype:
        return PRECISIONS[self.precision]


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters of one rate; those of rate 0 stay as they are."""

    parameters: Sequence[nn.Parameter]
    lr: float


def build_optimizer(groups: Sequence[ParameterGroup], *, weight_decay: float) -> torch.optim.AdamW:
    built = []
    for group in groups:
        for parameter in group.parameters:
            parameter.requires_grad_(group.lr > 0)
        matrices = [parameter for parameter in group.parameters if parameter.ndim > 1]
        vectors = [parameter for parameter in group.parameters if parameter.ndim <= 1]
        for parameters, decay in ((matrices, weight_decay), (vectors, 0.0)):
            if parameters and group.lr > 0:
                built.append({"params": parameters, "lr": group.lr, "full_lr": group.lr, "weight_decay": decay})
    return torch.optim.AdamW(built)


def set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["full_lr"] * share


def rate_share(optimization: Optimization, *, done: int, steps_of_epoch: int) -> float:
    """The share of the full rate at the step after `done` ones: a linear warm-up times the decay."""
    steps = optimization.epochs * steps_of_epoch
    warm = min(1.0, (done + 1) / max(1, min(optimization.warmup_steps, steps // 4)))
    if optimization.drop_every is not None:
        decay: float = 0.1 ** (done // steps_of_epoch // optimization.drop_every)
        return warm * decay
    return warm * (0.5 + 0.5 * math.cos(math.pi * done / steps))
