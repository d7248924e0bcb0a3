"""What a stopped training needs to go on, `last.pt`, and its best weights, `best.pt`; each is replaced whole."""

import math
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from model.errors import BadRecipe
from model.training.average import WeightAverage

LAST: Final = "last.pt"
BEST: Final = "best.pt"


@dataclass(slots=True)
class State:
    """How far a training is."""

    step: int = 0
    best: float = -math.inf  # score of the validation that was liked best
    best_step: int = 0  # which it followed
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Trained:
    """All that changes in training beside its State."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: WeightAverage


def save_last(run: Path, state: State, trained: Trained, *, identity: str) -> None:
    content = {
        "identity": identity,
        "step": state.step,
        "best": state.best,
        "best_step": state.best_step,
        "seconds": state.seconds,
        "module": trained.module.state_dict(),
        "optimizer": trained.optimizer.state_dict(),
        "scaler": trained.scaler.state_dict(),
        "average": trained.average.state(),
    }
    _replace(run / LAST, content)


def check_begun(run: Path, *, identity: str) -> None:
    """Raises BadRecipe where another training was begun."""
    if (run / LAST).exists():
        _check_identity(run, _load(run / LAST, mmap=True), identity)


def load_last(run: Path, trained: Trained, *, identity: str) -> State:
    """Fill `trained` from the last checkpoint; where there is none yet, leave it as it is."""
    if not (run / LAST).exists():
        return State()
    content = _load(run / LAST)
    _check_identity(run, content, identity)
    trained.module.load_state_dict(content["module"])
    trained.optimizer.load_state_dict(content["optimizer"])
    trained.scaler.load_state_dict(content["scaler"])
    trained.average.load_state(content["average"])
    return State(**{name: content[name] for name in ("step", "best", "best_step", "seconds")})


def save_best(run: Path, module: nn.Module) -> None:
    _replace(run / BEST, module.state_dict())


def load_best(run: Path, module: nn.Module) -> None:
    module.load_state_dict(_load(run / BEST))


def _check_identity(run: Path, content: dict[str, Any], identity: str) -> None:
    if content["identity"] != identity:
        raise BadRecipe(
            f"{run} was begun with another recipe, other data or other weights: name another --work, or delete it"
        )


def _load(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise BadRecipe(f"the checkpoint {path} cannot be read: {error}") from error
    return content


def _replace(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
