"""The weights of a deployed convolutional network, taken from its ONNX file for a network of ours."""

from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx.numpy_helper import to_array
from torch import Tensor

from model.errors import BadRecipe
from model.regions.mobilenet import MobileNetV2


def load_onnx_weights(network: MobileNetV2, path: Path) -> None:
    """The file's convolutions must be those of the network, in the order in which they are computed."""
    found, expected = _convolutions(path), network.convolutions()
    shapes = [weight.shape for weight, _ in found]
    if shapes != [convolution.weight.shape for convolution in expected]:
        raise BadRecipe(f"{path} is no MobileNetV2 of width 1: it has {len(found)} convolutions of other shapes")
    with torch.no_grad():
        for convolution, (weight, bias) in zip(expected, found, strict=True):
            assert convolution.bias is not None
            convolution.weight.copy_(weight)
            convolution.bias.copy_(bias)


def _convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each."""
    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError) as error:
        raise BadRecipe(f"{path} is not an ONNX file: {error}") from error
    tensors = {one.name: one for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            tensors[node.output[0]] = node.attribute[0].t
    found = []
    for node in graph.node:
        if node.op_type == "Conv":
            if len(node.input) != 3:
                raise BadRecipe(f"{path}: a convolution without a bias; normalisation must be folded into it")
            weight, bias = (torch.from_numpy(to_array(tensors[name]).copy()) for name in node.input[1:])
            found.append((weight, bias))
    return found
