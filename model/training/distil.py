"""Teach the small convolutional network the feature maps of a larger one, on pictures without any captions.

The recipe is that of a patient and consistent teacher (Beyer et al., CVPR 2022): both networks see the same random
crop, pictures are mixed, and the schedule is long.
"""

import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.regions.convnet import PIXEL_MEAN, PIXEL_STD, ConvNet, ConvNetConfig
from model.training.pictures import random_views

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DistilConfig:
    """Epochs at the small and at the full side, in that order; sides in pixels."""

    small_side: int = 160
    small_epochs: int = 27
    full_side: int = 224
    full_epochs: int = 6
    batch: int = 64
    lr: float = 1.5e-3
    weight_decay: float = 0.02
    warmup_steps: int = 300
    smallest_crop: float = 0.3
    seed: int = 0

    @property
    def epochs(self) -> int:
        return self.small_epochs + self.full_epochs


class Teacher:
    """An ONNX network from normalised pixels [N, 3, 224, 224] to a feature map [N, C, 7, 7]."""

    def __init__(self, path: Path, *, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._mean = torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1)
        self._std = torch.tensor(PIXEL_STD).view(1, 3, 1, 1)

    def __call__(self, pixels: Tensor) -> Tensor:
        normalised = ((pixels - self._mean) / self._std).contiguous().numpy()
        (maps,) = self._session.run(None, {self._input: normalised})
        return torch.from_numpy(maps)


class Student(nn.Module):
    """The network with a linear head to the teacher's channels; the head is thrown away afterwards."""

    def __init__(self, config: ConvNetConfig, teacher_width: int) -> None:
        super().__init__()
        self.convnet = ConvNet(config)
        self.head = nn.Conv2d(config.widths[-1], teacher_width, kernel_size=1)

    def forward(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.head(self.convnet.stage_maps(pixels)[-1])
        return maps


def distil(
    pictures: NDArray[np.uint8], teacher: Teacher, *, config: DistilConfig, convnet: ConvNetConfig, run: Path
) -> ConvNet:
    """Train from random weights, one checkpoint an epoch in `run`; called again, goes on where it was stopped."""
    torch.manual_seed(config.seed)
    run.mkdir(parents=True, exist_ok=True)
    mean, std = teacher_statistics(pictures, teacher)
    student = Student(convnet, len(mean)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = [p for p in student.parameters() if p.ndim > 1]
    plain = [p for p in student.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}], lr=config.lr
    )
    steps = len(pictures) // config.batch
    first = _resume(run, student, optimizer)
    for epoch in range(first, config.epochs):
        generator = np.random.default_rng([config.seed, epoch])
        side = config.small_side if epoch < config.small_epochs else config.full_side
        started, total = time.monotonic(), 0.0
        order = generator.permutation(len(pictures))
        student.train()
        for step in range(steps):
            rows = np.sort(order[step * config.batch : (step + 1) * config.batch])
            views = random_views(pictures[rows], side=224, smallest=config.smallest_crop, generator=generator)
            views = mix(views, generator)
            target = (teacher(views) - mean) / std
            _set_lr(optimizer, config, done=epoch * steps + step, total=config.epochs * steps)
            with torch.autocast("cpu", torch.bfloat16):
                predicted = student(_resized(views, side))
            loss = map_distance(predicted.float(), target)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), 2.0)
            optimizer.step()
            total += loss.item()
        _checkpoint(run, student, optimizer, epoch)
        record = {"epoch": epoch, "side": side, "loss": total / steps, "seconds": time.monotonic() - started}
        logger.info("distil %s", record)
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps(record) + "\n")
    convolutional: ConvNet = student.convnet
    return convolutional


def teacher_statistics(pictures: NDArray[np.uint8], teacher: Teacher) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each teacher channel over 512 pictures, [C, 1, 1] each."""
    rows = np.linspace(0, len(pictures) - 1, min(512, len(pictures))).astype(int)
    generator = np.random.default_rng(0)
    maps = [
        teacher(random_views(pictures[part], side=224, smallest=1.0, generator=generator))
        for part in np.array_split(rows, max(1, len(rows) // 64))
    ]
    values = torch.cat(maps)
    return values.mean(dim=(0, 2, 3))[:, None, None], values.std(dim=(0, 2, 3))[:, None, None] + 1e-3


def map_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """One minus the cosine of the two maps, place by place and of their averages over the picture, added."""
    target_there = F.interpolate(target, size=predicted.shape[-2:], mode="bilinear", align_corners=False)
    places = 1 - F.cosine_similarity(predicted, target_there, dim=1).mean()
    whole = 1 - F.cosine_similarity(predicted.mean(dim=(2, 3)), target.mean(dim=(2, 3)), dim=1).mean()
    return places + whole


def mix(views: Tensor, generator: np.random.Generator) -> Tensor:
    """Blend every second view with its neighbour: the teacher says what the blend should look like."""
    weight = torch.from_numpy(generator.random(len(views[::2]))).float().view(-1, 1, 1, 1)
    views[::2] = torch.lerp(views[1::2], views[::2], weight)
    return views


def _resized(views: Tensor, side: int) -> Tensor:
    if views.shape[-1] == side:
        return views
    return F.interpolate(views, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def _set_lr(optimizer: torch.optim.Optimizer, config: DistilConfig, *, done: int, total: int) -> None:
    warm = min(1.0, (done + 1) / config.warmup_steps)
    for group in optimizer.param_groups:
        group["lr"] = config.lr * warm * (0.5 + 0.5 * math.cos(math.pi * done / total)) + 1e-6


def _checkpoint(run: Path, student: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    draft = run / "last.draft.pt"
    torch.save({"student": student.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, draft)
    draft.replace(run / "last.pt")


def _resume(run: Path, student: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    path = run / "last.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    student.load_state_dict(state["student"])
    optimizer.load_state_dict(state["optimizer"])
    logger.info("going on after epoch %d of %s", state["epoch"], path)
    return int(state["epoch"]) + 1
