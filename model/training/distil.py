"""Teach the small convolutional network the feature maps of a larger one, on pictures without any captions.

The recipe is that of a patient and consistent teacher (Beyer et al., CVPR 2022): both networks see the same random
crop, pictures are mixed, and the schedule is long.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.regions.convnet import ConvNet
from model.training.hardware import Arithmetic
from model.training.loop import Validation
from model.training.optimization import Optimization, ParameterGroup
from model.training.pictures import random_views, whole_views

TEACHER_SIDE = 224

Teach = Callable[[Tensor], Tensor]  # pixels [N, 3, 224, 224] in 0..1 -> feature map [N, C, h, w]


@dataclass(frozen=True, slots=True)
class DistilConfig:
    name: str
    optimization: Optimization
    teacher: Path  # an ONNX network from normalised pixels to a feature map
    pictures: tuple[Path, ...] = ()  # folders of more pictures than the captioned ones
    small_side: int = 160  # pixels, of the first epochs
    small_epochs: int = 27
    images: int = 64  # of a batch
    smallest_crop: float = 0.3  # share of the picture's area
    kind: Literal["distil"] = "distil"

    def __post_init__(self) -> None:
        if self.images < 2 or self.images % 2:
            raise ValueError(f"images is {self.images}: pictures are mixed in pairs, so it must be even")
        if not 0 < self.smallest_crop <= 1 or self.small_side < 32:
            raise ValueError("smallest_crop must lie in 0..1, and small_side must be at least 32")


class Student(nn.Module):
    """The network with a linear head to the teacher's channels; the head is thrown away afterwards."""

    def __init__(self, convnet: ConvNet, teacher_width: int) -> None:
        super().__init__()
        self.convnet = convnet
        self.head = nn.Conv2d(convnet.config.widths[-1], teacher_width, kernel_size=1)

    def forward(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.head(self.convnet.stage_maps(pixels)[-1])
        return maps


@dataclass(frozen=True, slots=True)
class Lesson:
    views: Tensor  # [N, 3, side, side] in 0..1
    target: Tensor  # [N, C, h, w], what the teacher sees in them


class DistilTask:
    """A Task (model/training/loop.py)."""

    metric_names = ("distance",)

    def __init__(
        self,
        convnet: ConvNet,
        teacher: Teach,
        config: DistilConfig,
        *,
        pictures: NDArray[np.uint8],
        validation: NDArray[np.uint8],
        arithmetic: Arithmetic,
    ) -> None:
        self._mean, self._std = teacher_statistics(pictures, teacher)
        torch.manual_seed(config.optimization.seed)
        student = Student(convnet, len(self._mean)).to(arithmetic.device)
        self.module: Student = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batches = len(pictures) // config.images
        self._teacher, self._pictures = teacher, pictures
        self._config, self._arithmetic = config, arithmetic
        self._validation = [
            Lesson(views, self._taught(views))
            for views in map(whole_views, np.array_split(validation[:512], max(1, len(validation[:512]) // 64)))
        ]

    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(list(self.module.parameters()), self._config.optimization.lr)]

    def batch(self, epoch: int, number: int) -> Lesson:
        config, seed = self._config, self._config.optimization.seed
        order = np.random.default_rng([seed, epoch]).permutation(len(self._pictures))
        rows = np.sort(order[number * config.images : (number + 1) * config.images])
        generator = np.random.default_rng([seed, epoch, number])
        views = random_views(
            self._pictures[rows], side=TEACHER_SIDE, smallest=config.smallest_crop, generator=generator
        )
        views = mix(views, generator)
        side = config.small_side if epoch < config.small_epochs else self._pictures.shape[1]
        return Lesson(_resized(views, side), self._taught(views))

    def loss(self, module: nn.Module, batch: Lesson) -> Tensor:
        with self._arithmetic.autocast():
            predicted = module(batch.views.to(self._arithmetic.device))
        return map_distance(predicted.float(), batch.target.to(self._arithmetic.device))

    def validate(self) -> Validation:
        with torch.inference_mode():
            distance = float(np.mean([float(self.loss(self.module, lesson)) for lesson in self._validation]))
        return Validation(-distance, {"distance": distance})

    def publish(self, folder: Path) -> None:
        """Half a model is of use to nobody else."""

    def _taught(self, views: Tensor) -> Tensor:
        taught: Tensor = (self._teacher(_resized(views, TEACHER_SIDE)) - self._mean) / self._std
        return taught


def teacher_statistics(pictures: NDArray[np.uint8], teacher: Teach) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each teacher channel over 512 pictures, [C, 1, 1] each."""
    rows = np.linspace(0, len(pictures) - 1, min(512, len(pictures))).astype(int)
    generator = np.random.default_rng(0)
    maps = [
        teacher(random_views(pictures[part], side=TEACHER_SIDE, smallest=1.0, generator=generator))
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
