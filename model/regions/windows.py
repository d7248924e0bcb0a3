"""A fixed set of windows of several sizes, pooled from one feature map: regions with real boxes, without a detector."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.embeddings import Picture
from model.errors import BadCheckpoint
from model.regions.mobilenet import MobileNetV2, MobileNetV2Config
from model.regions.region_features import RegionFeatures, sizes_of
from model.regions.timm_network import TimmConfig, TimmNetwork

NetworkConfig = MobileNetV2Config | TimmConfig
Network = MobileNetV2 | TimmNetwork

# (windows across, windows down, width, height), evenly spread so that the outer ones touch the border: 36 in all.
LAYOUT = (
    (1, 1, 1.0, 1.0),
    (2, 2, 0.6, 0.6),
    (3, 3, 0.45, 0.45),
    (4, 4, 0.3, 0.3),
    (1, 3, 1.0, 0.4),
    (3, 1, 0.4, 1.0),
)
CPU_BATCH = 2  # pictures whose maps stay in caches: of 32 a MobileNetV2 took 2.5 times as long on two cores of an EPYC


@dataclass(frozen=True, slots=True)
class WindowsConfig:
    convnet: NetworkConfig
    feature_width: int = 384  # F
    picture_side: int = 224

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "WindowsConfig":
        return cls(
            _network_config(values["convnet"]),
            feature_width=values["feature_width"],
            picture_side=values["picture_side"],
        )


def _network_config(values: dict[str, Any]) -> NetworkConfig:
    match values["kind"]:
        case "mobilenetv2":
            return MobileNetV2Config(values["width"], values["last_width"])
        case "timm":
            return TimmConfig(values["name"])
        case kind:
            raise BadCheckpoint(f"this version knows no network of kind {kind!r}")


def build_network(config: NetworkConfig) -> Network:
    match config:
        case MobileNetV2Config():
            return MobileNetV2(config)
        case TimmConfig():
            return TimmNetwork(config)


class WindowExtractor(nn.Module):
    """A RegionExtractor: one pass of the convolutional network, then all windows with two small matrix products."""

    boxes: Tensor

    def __init__(self, config: WindowsConfig) -> None:
        super().__init__()
        self.config = config
        self.convnet = build_network(config.convnet)
        self.neck = nn.Linear(self.convnet.width, config.feature_width)
        self.norm = nn.LayerNorm(config.feature_width)
        self.register_buffer("boxes", window_boxes(), persistent=False)  # [R, 4]

    @property
    def feature_width(self) -> int:
        return self.config.feature_width

    @property
    def picture_side(self) -> int:
        return self.config.picture_side

    def forward(self, pixels: Tensor) -> Tensor:
        """RGB pixels [N, 3, H, W] in 0..1 -> features of the windows [N, R, F]."""
        return self.features_of_windows(self.windows_of(pixels))

    def windows_of(self, pixels: Tensor) -> Tensor:
        """RGB pixels [N, 3, H, W] in 0..1 -> the map averaged over every window [N, R, width of the map]."""
        together = self.convnet.training or pixels.device.type != "cpu"  # a network that learns may normalise over all
        at_once = len(pixels) if together else CPU_BATCH
        return torch.cat([pool_windows(self.convnet(some), self.boxes) for some in torch.split(pixels, at_once)])

    def features_of_windows(self, pooled: Tensor) -> Tensor:
        """pooled [N, R, width of the map] -> [N, R, F]."""
        features: Tensor = self.norm(self.neck(pooled))
        return features

    def extract(self, pictures: Sequence[Picture]) -> RegionFeatures:
        device = self.neck.weight.device
        pixels = torch.from_numpy(np.stack([picture.pixels for picture in pictures])).to(device)  # [N, H, W, 3]
        features = self(pixels.permute(0, 3, 1, 2).float() / 255)
        n, r, _ = features.shape
        counts = torch.full((n,), r, device=device)
        return RegionFeatures(features, self.boxes.expand(n, -1, -1), counts, sizes_of(pictures).to(device))


def window_boxes() -> Tensor:
    """[R, 4] float32: x0, y0, x1, y1 as shares of width and height."""
    boxes = []
    for across, down, width, height in LAYOUT:
        for top in torch.linspace(0, 1 - height, down).tolist():
            for left in torch.linspace(0, 1 - width, across).tolist():
                boxes.append((left, top, left + width, top + height))
    return torch.tensor(boxes).clamp(0, 1)


def pool_windows(feature_map: Tensor, boxes: Tensor) -> Tensor:
    """The average of the map [N, C, h, w] over every box [R, 4], cut cells counted in part -> [N, R, C]."""
    x0, y0, x1, y1 = boxes.unbind(dim=1)
    rows = _coverage(y0, y1, feature_map.shape[2])  # [R, h]
    columns = _coverage(x0, x1, feature_map.shape[3])  # [R, w]
    weights = (rows[:, :, None] * columns[:, None, :]).flatten(1)  # [R, h * w]
    return weights.to(feature_map.dtype) @ feature_map.flatten(2).transpose(1, 2)  # [N, R, C]


def _coverage(start: Tensor, end: Tensor, cells: int) -> Tensor:
    """How much of each window lies in each of the cells of one axis, [R, cells]; rows sum to one."""
    edges = torch.arange(cells + 1, device=start.device) / cells
    overlap = torch.minimum(end[:, None], edges[1:]) - torch.maximum(start[:, None], edges[:-1])
    overlap = overlap.clamp_min(0.0)
    return overlap / overlap.sum(dim=1, keepdim=True)
