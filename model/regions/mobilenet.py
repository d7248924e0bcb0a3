"""MobileNetV2 (Sandler et al., CVPR 2018) as it is deployed: every normalisation is folded into its convolution."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.regions.convnet import PIXEL_MEAN, PIXEL_STD, beside

# Of every stage: times that a block widens its input, width, number of blocks, stride of the first.
STAGES: Final = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
FINE_STAGE: Final = 4  # the last one of stride 16
STEM_WIDTH, FINE_WIDTH, LAST_WIDTH = 32, 96, 1280


@dataclass(frozen=True, slots=True)
class MobileNetV2Config:
    kind: Literal["mobilenetv2"] = "mobilenetv2"


class Convolution(nn.Conv2d):
    def __init__(self, width_in: int, width_out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(width_in, width_out, kernel, stride, padding=kernel // 2, groups=groups)


class InvertedResidual(nn.Module):
    """Widen, filter every channel by itself, narrow again."""

    def __init__(self, width_in: int, width_out: int, *, times: int, stride: int) -> None:
        super().__init__()
        width = times * width_in
        self.widen = Convolution(width_in, width) if times > 1 else None
        self.filter = Convolution(width, width, kernel=3, stride=stride, groups=width)
        self.narrow = Convolution(width, width_out)
        self.has_shortcut = stride == 1 and width_in == width_out

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.widen is None else F.relu6(self.widen(x))
        narrow: Tensor = self.narrow(F.relu6(self.filter(wide)))
        return x + narrow if self.has_shortcut else narrow


class MobileNetV2(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: MobileNetV2Config) -> None:
        super().__init__()
        self.config = config
        self.width = FINE_WIDTH + LAST_WIDTH  # of the feature map
        self.stem = Convolution(3, STEM_WIDTH, kernel=3, stride=2)
        self.stages = nn.ModuleList()
        widths = [STEM_WIDTH, *(width for _, width, _, _ in STAGES)]
        for (times, _, depth, stride), (width_in, width_out) in zip(STAGES, pairwise(widths), strict=True):
            blocks = [InvertedResidual(width_in, width_out, times=times, stride=stride)]
            blocks += [InvertedResidual(width_out, width_out, times=times, stride=1) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
        self.last = Convolution(widths[-1], LAST_WIDTH)
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD).view(1, 3, 1, 1), persistent=False)

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """RGB pixels [N, 3, H, W] in 0..1 -> [N, 96, H/16, W/16] and the last map, [N, 1280, H/32, W/32]."""
        x = ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.stem(x))
        fine = x
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number == FINE_STAGE:
                fine = x
        return fine, F.relu6(self.last(x))

    def forward(self, pixels: Tensor) -> Tensor:
        """One feature map [N, width, H/16, W/16]."""
        return beside(*self.maps(pixels))

    def convolutions(self) -> list[Convolution]:
        """In the order in which they are computed, which is that of a deployed file."""
        return [module for module in self.modules() if isinstance(module, Convolution)]
