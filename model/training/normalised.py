"""A MobileNetV2 as it is trained: behind every convolution a normalisation, which is folded into it in the end."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.regions.mobilenet import Convolution, MobileNetV2


class NormalisedConvolution(nn.Module):
    def __init__(self, deployed: Convolution) -> None:
        """With the weights of the deployed one, but for its bias."""
        super().__init__()
        self.convolution = deepcopy(deployed)
        self.convolution.bias = None
        self.norm = nn.BatchNorm2d(deployed.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.norm(self.convolution(x))
        return normalised


def with_normalisations(network: MobileNetV2) -> MobileNetV2:
    """A copy that can be trained; its convolutions are NormalisedConvolutions."""
    copy = deepcopy(network)
    for parent in list(copy.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Convolution):
                setattr(parent, name, NormalisedConvolution(child))
    return copy


@torch.no_grad()
def fold_normalisations(trained: MobileNetV2, network: MobileNetV2) -> None:
    """Fill `network` so that it computes what the `trained` copy of it does."""
    pairs = [module for module in trained.modules() if isinstance(module, NormalisedConvolution)]
    for pair, deployed in zip(pairs, network.convolutions(), strict=True):
        fused = fuse_conv_bn_eval(pair.convolution.eval(), pair.norm.eval())
        deployed.load_state_dict(fused.state_dict())
