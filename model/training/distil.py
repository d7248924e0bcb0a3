"""Teach the small convolutional network the feature maps of a larger one, on pictures without any captions.

The recipe is that of a patient and consistent teacher (Beyer et al., CVPR 2022): both networks see the same random
crop, and pictures are mixed. The pieces of the network learn apart at first, each from what the teacher's piece before
it hands on: so shallow, they learn in a few epochs what the deep one takes hundreds for (Li et al., CVPR 2020).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from model.regions.mobilenet import MobileNetV2
from model.training.batch_order import draw_batch
from model.training.hardware import Arithmetic
from model.training.loop import Validation
from model.training.normalised import fold_normalisations, with_normalisations
from model.training.optimization import Optimization, ParameterGroup
from model.training.pictures import random_views, whole_views

LEAST_STD = 1e-2  # of a channel that is nearly always 0
NORMS_AHEAD = 3.0  # times the rate of all else
SQUARES = 0.3  # weight of squared differences beside the cosine
EARLIER = 0.1  # weight of all maps but the last, where pieces learn together

Teach = Callable[[Tensor], list[Tensor]]  # pixels [N, 3, side, side] in 0..1 -> a map [N, C, h, w] behind every piece


@dataclass(frozen=True, slots=True)
class DistilConfig:
    name: str
    optimization: Optimization
    teacher: Path  # the ONNX file of a MobileNetV2
    pictures: tuple[Path, ...] = ()  # folders of more pictures than the captioned ones
    apart: bool = False  # every piece learns from the teacher's map before it, not from the student's
    side: int = 224  # pixels
    images: int = 64  # of a batch
    smallest_crop: float = 0.3  # share of the picture's area
    kind: Literal["distil"] = "distil"

    def __post_init__(self) -> None:
        if self.images < 2 or self.images % 2:
            raise ValueError(f"images is {self.images}: pictures are mixed in pairs, so it must be even")
        if not 0 < self.smallest_crop <= 1 or self.side < 32:
            raise ValueError("smallest_crop must lie in 0..1, and side must be at least 32")


@dataclass(frozen=True, slots=True)
class Lesson:
    views: Tensor  # [N, 3, side, side] in 0..1
    maps: list[Tensor]  # what the teacher makes of them, behind every piece


class Student(nn.Module):
    """A network as it learns, through all stages of this kind."""

    def __init__(self, network: MobileNetV2) -> None:
        super().__init__()
        self.network = with_normalisations(network)

    def forward(self, lesson: Lesson, *, apart: bool) -> list[Tensor]:
        """The maps behind its pieces."""
        x = self.network.normalised(lesson.views)
        maps = []
        for piece, taught in zip(self.network.pieces(), lesson.maps, strict=True):
            maps.append(piece(x))
            x = taught if apart else maps[-1]
        return maps

    def fill(self, network: MobileNetV2) -> None:
        """Give the network what was learned."""
        fold_normalisations(self.network, network)


class DistilTask:
    """A Task (model/training/loop.py)."""

    metric_names = ("distance",)

    def __init__(
        self,
        student: Student,
        teacher: Teach,
        config: DistilConfig,
        *,
        pictures: NDArray[np.uint8],
        validation: NDArray[np.uint8],
        arithmetic: Arithmetic,
    ) -> None:
        self._teacher, self._pictures = teacher, pictures
        self._config, self._arithmetic = config, arithmetic
        self.module = student
        self.batches = len(pictures) // config.images
        self._statistics = map_statistics(pictures, teacher)
        parts = np.array_split(validation[:512], max(1, len(validation[:512]) // 64))
        self._validation = [whole_views(some) for some in parts]

    def parameter_groups(self) -> list[ParameterGroup]:
        """Normalisations, which must find the scale of every channel, go ahead."""
        lr, modules = self._config.optimization.lr, list(self.module.modules())
        filters = [weight for module in modules if isinstance(module, nn.Conv2d) for weight in module.parameters()]
        norms = [weight for module in modules if isinstance(module, nn.BatchNorm2d) for weight in module.parameters()]
        return [ParameterGroup(filters, lr), ParameterGroup(norms, NORMS_AHEAD * lr)]

    def batch(self, epoch: int, number: int) -> Lesson:
        config, seed = self._config, self._config.optimization.seed
        rows, generator = draw_batch(len(self._pictures), size=config.images, seed=seed, epoch=epoch, number=number)
        views = random_views(
            self._pictures[np.sort(rows)], side=config.side, smallest=config.smallest_crop, generator=generator
        )
        return self._lesson(mix(views, generator))

    def loss(self, module: nn.Module, batch: Lesson) -> Tensor:
        with self._arithmetic.autocast():
            predicted: list[Tensor] = module(batch, apart=self._config.apart)
        earlier = 1.0 if self._config.apart else EARLIER
        return distance([maps.float() for maps in predicted], batch.maps, self._statistics, earlier=earlier)

    def validate(self) -> Validation:
        """By the last map alone, made by all pieces together."""
        distances = []
        with torch.inference_mode(), self._arithmetic.autocast():
            for views in self._validation:
                lesson = self._lesson(views)
                last = self.module(lesson, apart=False)[-1:]
                distances.append(float(distance(last, lesson.maps[-1:], self._statistics[-1:], earlier=0.0)))
        return Validation(-float(np.mean(distances)), {"distance": float(np.mean(distances))})

    def publish(self, folder: Path) -> None:
        """Half a model is of use to nobody else."""

    def _lesson(self, views: Tensor) -> Lesson:
        return Lesson(views.to(self._arithmetic.device), self._teacher(views))


@dataclass(frozen=True, slots=True)
class MapStatistics:
    """Of the channels of one map over many pictures, [C, 1, 1] each."""

    mean: Tensor
    std: Tensor


def map_statistics(pictures: NDArray[np.uint8], teacher: Teach) -> list[MapStatistics]:
    """Of pictures [N, side, side, 3], for the map behind every piece."""
    rows = np.linspace(0, len(pictures) - 1, min(128, len(pictures))).astype(int)
    statistics = []
    for maps in teacher(whole_views(pictures[rows])):
        mean, std = maps.mean(dim=(0, 2, 3)), maps.std(dim=(0, 2, 3))
        statistics.append(MapStatistics(mean[:, None, None], std[:, None, None] + LEAST_STD))
    return statistics


def distance(
    predicted: Sequence[Tensor], targets: Sequence[Tensor], statistics: Sequence[MapStatistics], *, earlier: float
) -> Tensor:
    """How far maps [N, C, h, w] are from the teacher's: place by place, and the last also over whole pictures."""
    loss = predicted[0].new_zeros(())
    for number, (ours, theirs, known) in enumerate(zip(predicted, targets, statistics, strict=True), start=1):
        last = number == len(targets)
        a, b = ((maps - known.mean) / known.std for maps in (ours, theirs))
        places = SQUARES * (a - b).square().mean() + 1 - F.cosine_similarity(a, b, dim=1).mean()
        loss = loss + (1.0 if last else earlier) * places
        if last:
            loss = loss + 1 - F.cosine_similarity(a.mean(dim=(2, 3)), b.mean(dim=(2, 3)), dim=1).mean()
    return loss


def mix(views: Tensor, generator: np.random.Generator) -> Tensor:
    """Blend every second view with its neighbour: the teacher says what the blend should look like."""
    weight = torch.from_numpy(generator.random(len(views[::2]))).float().view(-1, 1, 1, 1)
    views[::2] = torch.lerp(views[1::2], views[::2], weight)
    return views
