"""MobileNetV2 (Sandler et al., CVPR 2018) as it is deployed: every normalisation is folded into its convolution.

It knows nothing of regions or sentences: pictures become feature maps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)

# Of every stage: times that a block widens its input, width, number of blocks, stride of the first.
STAGES: Final = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
STEM_WIDTH: Final = 32
FINE_STAGE: Final = 4  # the last one of stride 16


@dataclass(frozen=True, slots=True)
class MobileNetV2Config:
    width: float = 1.0  # times all widths but the last, which become multiples of 8
    last_width: int = 1280
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
        width = _multiple_of_8(config.width * STEM_WIDTH)
        self.stem = Convolution(3, width, kernel=3, stride=2)
        self.stages = nn.ModuleList()
        for times, full_width, depth, stride in STAGES:
            output = _multiple_of_8(config.width * full_width)
            blocks = [InvertedResidual(width, output, times=times, stride=stride)]
            blocks += [InvertedResidual(output, output, times=times, stride=1) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
            width = output
        self.last = Convolution(width, config.last_width)
        self.width = _multiple_of_8(config.width * STAGES[FINE_STAGE][1]) + config.last_width  # of the feature map
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """RGB pixels [N, 3, H, W] in 0..1 -> one feature map [N, width, H/16, W/16]."""
        x = F.relu6(self.stem(self.normalised(pixels)))
        fine = x
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number == FINE_STAGE:
                fine = x
        return beside(fine, F.relu6(self.last(x)))

    def normalised(self, pixels: Tensor) -> Tensor:
        """What the first piece takes."""
        return ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def pieces(self) -> list[Callable[[Tensor], Tensor]]:
        """The network cut behind its stem and behind every block, in order."""
        blocks = [block for stage in self.stages for block in stage.children()]
        return [lambda x: F.relu6(self.stem(x)), *blocks, lambda x: F.relu6(self.last(x))]

    def convolutions(self) -> list[Convolution]:
        """In the order in which they are computed, which is that of a deployed file."""
        return [module for module in self.modules() if isinstance(module, Convolution)]


def beside(fine: Tensor, coarse: Tensor) -> Tensor:
    """Two maps as one, the coarse one brought to the size of the fine one."""
    coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([fine, coarse], dim=1)


def _multiple_of_8(width: float) -> int:
    return max(8, int(width + 4) // 8 * 8)
