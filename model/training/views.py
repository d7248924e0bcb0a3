"""What a training sees of its images: views of the pictures, windows of stored views, or published region features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from blake3 import blake3
from numpy.typing import NDArray
from torch import Tensor

from model.regions.files import FeatureFiles, PublishedImage
from model.regions.region_features import RegionFeatures
from model.regions.windows import WindowExtractor
from model.training.hardware import Arithmetic
from model.training.pictures import computed_once, digest, random_views, whole_views

BATCH = 64  # images that are looked at together when nothing is learned from them

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Views:
    pixels: Tensor  # [N, 3, H, W] in 0..1

    def to(self, device: torch.device) -> "Views":
        return Views(self.pixels.to(device))


@dataclass(frozen=True, slots=True)
class PooledWindows:
    vectors: Tensor  # [N, R, width of the feature map]
    views: Rows  # [N], which of the stored ones each image is seen by

    def to(self, device: torch.device) -> "PooledWindows":
        return PooledWindows(self.vectors.to(device), self.views)


@dataclass(frozen=True, slots=True)
class FoundRegions:
    regions: RegionFeatures

    def to(self, device: torch.device) -> "FoundRegions":
        return FoundRegions(self.regions.to(device))


Seen = Views | PooledWindows | FoundRegions


class ImageSet(Protocol):
    """The images of one split, by row."""

    def __len__(self) -> int: ...

    def look(self, rows: Rows, generator: np.random.Generator) -> Seen:
        """For training: what is seen differs from time to time, as `generator` has it."""

    def whole(self) -> Iterator[Seen]:
        """For validation: all images as they are, in order, some at a time."""


class Pictures:
    """Random views are cut anew each time."""

    def __init__(self, pictures: NDArray[np.uint8], *, smallest_crop: float) -> None:
        self._pictures = pictures
        self._smallest_crop = smallest_crop

    def __len__(self) -> int:
        return len(self._pictures)

    def look(self, rows: Rows, generator: np.random.Generator) -> Views:
        pictures = self._pictures[rows]
        side = pictures.shape[1]
        return Views(random_views(pictures, side=side, smallest=self._smallest_crop, generator=generator))

    def whole(self) -> Iterator[Views]:
        for start in range(0, len(self), BATCH):
            yield Views(whole_views(self._pictures[start : start + BATCH]))


class StoredViews:
    """The whole picture and some random views, whose windows were pooled once by a network that does not learn."""

    def __init__(self, stored: NDArray[np.float16], *, name: str) -> None:
        self.stored = stored  # [V, N, R, width of the map]
        self.name = name  # another one for other pictures, views or weights

    def __len__(self) -> int:
        return int(self.stored.shape[1])

    def look(self, rows: Rows, generator: np.random.Generator) -> PooledWindows:
        views = generator.integers(len(self.stored), size=len(rows))
        return PooledWindows(torch.from_numpy(self.stored[views, rows]).float(), views)

    def whole(self) -> Iterator[PooledWindows]:
        return self._of_view(0)

    def every(self) -> Iterator[PooledWindows]:
        """All images as they are, then all by the next view, and so on."""
        for view in range(len(self.stored)):
            yield from self._of_view(view)

    def _of_view(self, view: int) -> Iterator[PooledWindows]:
        for start in range(0, len(self), BATCH):
            some = torch.from_numpy(self.stored[view, start : start + BATCH]).float()
            yield PooledWindows(some, np.full(len(some), view))


class PublishedRegions:
    """Features of a detector that somebody else has run; there is only one view of them."""

    def __init__(self, files: FeatureFiles, images: Sequence[PublishedImage]) -> None:
        self._files = files
        self._images = images
        files.read(images[:1])  # features of another width are refused before the first step

    def __len__(self) -> int:
        return len(self._images)

    def look(self, rows: Rows, generator: np.random.Generator) -> FoundRegions:
        return self._read([self._images[row] for row in rows])

    def whole(self) -> Iterator[FoundRegions]:
        for start in range(0, len(self), BATCH):
            yield self._read(self._images[start : start + BATCH])

    def _read(self, images: Sequence[PublishedImage]) -> FoundRegions:
        return FoundRegions(self._files.read(images))


def store_views(
    pictures: NDArray[np.uint8],
    regions: WindowExtractor,
    *,
    views: int,
    smallest_crop: float,
    arithmetic: Arithmetic,
    folder: Path,
) -> StoredViews:
    """Pool the windows of some views of each picture, the whole one first; or find them pooled in `folder`."""
    weights = (value.cpu().numpy().tobytes() for value in regions.convnet.state_dict().values())
    name = digest([repr((views, smallest_crop, arithmetic.kind)), blake3(pictures.data).digest(), *weights])

    def pooled() -> Iterator[NDArray[np.float16]]:
        for seen in _seen_when_stored(pictures, views, smallest_crop):
            with torch.inference_mode(), arithmetic.autocast():
                windows = regions.windows_of(seen.to(arithmetic.device))  # [n, R, C]
            yield windows.half().cpu().numpy()

    regions.convnet.eval()
    shape = (views * len(pictures), len(regions.boxes), regions.convnet.width)
    stored = computed_once(folder / f"views-{name}.npy", shape, np.float16, pooled)
    return StoredViews(stored.reshape(views, len(pictures), *shape[1:]), name=name)


def _seen_when_stored(pictures: NDArray[np.uint8], views: int, smallest_crop: float) -> Iterator[Tensor]:
    for view in range(views):
        generator = np.random.default_rng(view)
        for start in range(0, len(pictures), BATCH):
            some = pictures[start : start + BATCH]
            whole = view == 0
            yield (
                whole_views(some)
                if whole
                else random_views(some, side=pictures.shape[1], smallest=smallest_crop, generator=generator)
            )
