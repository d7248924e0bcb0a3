"""A small residual network that turns pictures into one feature map; trained by this project, from random weights.

It knows nothing of regions or sentences. Plain 3x3 convolutions are used throughout: on a CPU they run several times
nearer to its peak than the depthwise ones of the mobile networks, in inference and even more in training.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ConvNetConfig:
    """Width and number of residual blocks of the four stages, whose strides are 4, 8, 16 and 32 pixels."""

    widths: tuple[int, int, int, int] = (48, 96, 192, 384)
    depths: tuple[int, int, int, int] = (1, 2, 3, 2)
    kind: Literal["residual"] = "residual"


class ConvNorm(nn.Sequential):
    def __init__(self, width_in: int, width_out: int, *, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(width_in, width_out, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(width_out)
        )


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which averages where the size changes, to skip no pixel (ResNet-D)."""

    def __init__(self, width_in: int, width_out: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width_in, width_out, kernel=3, stride=stride)
        self.conv2 = ConvNorm(width_out, width_out, kernel=3)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d(stride, ceil_mode=True))
        if stride > 1 or width_in != width_out:
            self.shortcut.append(ConvNorm(width_in, width_out, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.shortcut(x))


class ConvNet(nn.Module):
    config: ConvNetConfig
    mean: Tensor
    std: Tensor

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.widths[2] + config.widths[3]  # of the feature map
        width = config.widths[0] // 2
        self.stem = ConvNorm(3, width, kernel=3, stride=2)
        self.stages = nn.ModuleList()
        for width_out, depth in zip(config.widths, config.depths, strict=True):
            blocks = [Block(width, width_out, stride=2)]
            blocks += [Block(width_out, width_out, stride=1) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
            width = width_out
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD).view(1, 3, 1, 1), persistent=False)

    def stage_maps(self, pixels: Tensor) -> list[Tensor]:
        """The output of every stage for RGB pixels [N, 3, H, W] in 0..1."""
        x = ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.stem(x))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        """One feature map [N, width, H/16, W/16]: the third stage beside the fourth, brought to its size."""
        *_, fine, coarse = self.stage_maps(pixels)
        return beside(fine, coarse)


def beside(fine: Tensor, coarse: Tensor) -> Tensor:
    """Two maps as one, the coarse one brought to the size of the fine one."""
    coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([fine, coarse], dim=1)
