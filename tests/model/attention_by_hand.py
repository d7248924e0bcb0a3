"""Cross attention as its formula is written, one pair at a time: what the fast form is compared with."""

import torch
import torch.nn.functional as F

from model.cross_attention import CrossAttention, Direction


def attention_by_hand(regions: torch.Tensor, words: torch.Tensor, kernel: CrossAttention) -> float:
    """With the attended vectors themselves; those who attend are the rows of `a`."""
    a, b = (regions, words) if kernel.direction is Direction.I2T else (words, regions)
    leaky = F.leaky_relu(a @ b.T, 0.1)  # [attending, attended]
    attention = (kernel.lambda_softmax * leaky / ((leaky**2).sum(dim=0).sqrt() + 1e-8)).softmax(dim=1)
    return float(F.cosine_similarity(a, attention @ b, dim=1, eps=1e-8).mean())
