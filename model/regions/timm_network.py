"""Any network of the library timm, by its name there; its weights become part of our own checkpoints."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from model.errors import BadCheckpoint
from model.regions.mobilenet import beside


@dataclass(frozen=True, slots=True)
class TimmConfig:
    name: str  # as in timm.list_models()
    kind: Literal["timm"] = "timm"


class TimmNetwork(nn.Module):
    config: TimmConfig
    mean: Tensor
    std: Tensor

    def __init__(self, config: TimmConfig, *, pretrained: bool = False) -> None:
        """With `pretrained` the weights come from the hub."""
        super().__init__()
        self.config = config
        try:
            import timm  # an extra: our own networks do without it
        except ImportError as error:
            raise BadCheckpoint(f"the network {config.name} is one of timm's: install the extra `timm`") from error
        try:
            self.network = timm.create_model(
                config.name, pretrained=pretrained, features_only=True, out_indices=(-2, -1)
            )
        except (RuntimeError, OSError, ValueError, AttributeError) as error:
            raise BadCheckpoint(f"timm cannot make the network {config.name}: {error}") from error
        self.width = sum(self.network.feature_info.channels())  # of the feature map
        settings = self.network.pretrained_cfg
        self.register_buffer("mean", torch.tensor(settings["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(settings["std"]).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """RGB pixels [N, 3, H, W] in 0..1 -> the last map beside the one before it, [N, width, h, w]."""
        fine, coarse = self.network((pixels - self.mean) / self.std)
        return beside(fine, coarse)
