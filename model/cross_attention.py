"""SCAN's cross attention as a kernel: one side attends to the other, and is compared with what it attended to.

Lee et al., ECCV 2018; raw vectors, no parameters. Letters as in model/embeddings.py; C sentences.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK: Final = 2**24  # numbers of the largest array held at once when whole sets are compared
LEAK: Final = 0.1  # what is left of a negative similarity
EPSILON: Final = 1e-8
LEAST_SQUARE: Final = 1e-24  # of a length, so that a root has a gradient


class Direction(StrEnum):
    I2T = "i2t"  # every region attends to the words; the mean over regions
    T2I = "t2i"  # every word attends to the regions; the mean over words


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """A kernel: the mean cosine between the rows of one side and what each attends to on the other."""

    direction: Direction
    lambda_softmax: float = 9.0


@dataclass(frozen=True, slots=True)
class Pairs:
    """What every region and every word of padded sets are to one another; shares are zero for padding."""

    attention: Tensor  # [N, R, C, W], how much one attends to the other, of 1
    shares: Tensor  # [N, R, C, W], of the score of image and sentence, which is their sum


def cross_attention(
    regions: Tensor, real_regions: Tensor, words: Tensor, real_words: Tensor, *, kernel: CrossAttention
) -> Tensor:
    """Scores of padded sets: regions [N, R, D] and words [C, W, D] with masks [N, R] and [C, W] -> [N, C]."""
    (n, r, d), (c, w, _) = regions.shape, words.shape
    block = max(1, BLOCK // max(1, c * w * max(r, d)))
    parts = [torch.empty(0, c, device=regions.device)]
    for start in range(0, n, block):
        some = slice(start, start + block)
        pairs = pair_up(regions[some], real_regions[some], words, real_words, kernel=kernel)
        parts.append(pairs.shares.sum(dim=(1, 3)))
    return torch.cat(parts)


def pair_up(
    regions: Tensor, real_regions: Tensor, words: Tensor, real_words: Tensor, *, kernel: CrossAttention
) -> Pairs:
    """Sets padded as in cross_attention.

    The cosine of x with the attended sum of a_t y_t is the sum of a_t (x . y_t) over both lengths, so the shares sum to
    the score exactly. The lengths of attended words come from the words' Gram matrix, without those vectors themselves.
    """
    regions, words = _without_padding(regions, real_regions), _without_padding(words, real_words)
    (n, r, _), (c, w, _) = regions.shape, words.shape
    similarity = (regions.flatten(0, 1) @ words.flatten(0, 1).T).view(n, r, c, w)
    match kernel.direction:
        case Direction.I2T:
            attention = _attention(similarity, real_words[None, None], kernel, attended=3, attending=1)
            gram = words @ words.transpose(1, 2)  # [C, W, W]
            squares = (torch.einsum("nrcw,cwv->nrcv", attention, gram) * attention).sum(dim=3)  # [N, R, C]
            lengths = (regions.norm(dim=2)[:, :, None] * squares.clamp_min(LEAST_SQUARE).sqrt())[..., None]
            attending = real_regions.sum(dim=1)[:, None, None, None]
        case Direction.T2I:
            attention = _attention(similarity, real_regions[:, :, None, None], kernel, attended=1, attending=3)
            context = torch.einsum("nrcw,nrd->ncwd", attention, regions)
            lengths = (words.norm(dim=2) * context.norm(dim=3))[:, None]  # [N, 1, C, W]
            attending = real_words.sum(dim=1)[:, None]  # [C, 1]
    return Pairs(attention, attention * similarity / (lengths.clamp_min(EPSILON) * attending))


def pooled(rows: Tensor, *, attending: bool) -> Tensor:
    """One vector [D] of the rows [n, D] of a side, which attends or is attended to.

    The inner product of both sides' is the score where attention is spread evenly, at lambda 0: good for a shortlist.
    """
    return F.normalize(rows, dim=1).mean(dim=0) if attending else F.normalize(rows.mean(dim=0), dim=0)


def _attention(
    similarity: Tensor, real_attended: Tensor, kernel: CrossAttention, *, attended: int, attending: int
) -> Tensor:
    """Softmax over dimension `attended`; before it similarities are brought to length one over the other dimension."""
    leaky: Tensor = F.leaky_relu(similarity, LEAK)
    scaled = leaky / (leaky.norm(dim=attending, keepdim=True) + EPSILON)
    logits: Tensor = kernel.lambda_softmax * scaled
    if not bool(real_attended.all()):
        logits = logits.masked_fill(~real_attended, -torch.inf)
    return logits.softmax(dim=attended)


def _without_padding(rows: Tensor, real: Tensor) -> Tensor:
    """Zeros wherever a row [N, n, D] is not real."""
    return rows if bool(real.all()) else rows.masked_fill(~real[..., None], 0.0)
