"""A network that others trained, run as it stands in its ONNX file."""

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from model.errors import BadRecipe
from model.regions.convnet import PIXEL_MEAN, PIXEL_STD


class Teacher:
    """A network from normalised pixels [N, 3, 224, 224] to a feature map [N, C, 7, 7]."""

    def __init__(self, path: Path, *, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if not path.is_file():
            raise BadRecipe(f"there is no network of a teacher at {path}")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._mean = torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1)
        self._std = torch.tensor(PIXEL_STD).view(1, 3, 1, 1)

    def __call__(self, pixels: Tensor) -> Tensor:
        normalised = ((pixels - self._mean) / self._std).contiguous().numpy()
        (maps,) = self._session.run(None, {self._input: normalised})
        return torch.from_numpy(maps)
