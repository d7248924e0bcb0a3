"""A network that others trained, as a teacher of ours."""

from pathlib import Path

import torch
from torch import Tensor

from model.regions.mobilenet import MobileNetV2, MobileNetV2Config
from model.training.hardware import Arithmetic
from model.training.onnx_weights import load_onnx_weights


class Teacher:
    """A MobileNetV2 from an ONNX file: from pixels [N, 3, H, W] in 0..1 to a map [N, C, h, w] behind every piece."""

    def __init__(self, path: Path, arithmetic: Arithmetic) -> None:
        """Raises BadRecipe."""
        network = MobileNetV2(MobileNetV2Config())
        load_onnx_weights(network, path)
        network = network.eval().to(arithmetic.device)
        self._network: MobileNetV2 = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._arithmetic = arithmetic

    def __call__(self, pixels: Tensor) -> list[Tensor]:
        maps = []
        with torch.no_grad(), self._arithmetic.autocast():
            x = self._network.normalised(pixels.to(self._arithmetic.device))
            for piece in self._network.pieces():
                x = piece(x)
                maps.append(x.float())
        return maps
