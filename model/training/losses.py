"""Losses on the scores of a batch: TERAN's hinge (Messina et al., TOMM 2021; Faghri et al., BMVC 2018), InfoNCE."""

from enum import StrEnum

import torch
import torch.nn.functional as F
from torch import Tensor

from model.teran.network import unit_length


class Measure(StrEnum):
    """How two global vectors are compared by the matching loss."""

    DOT = "dot"
    COSINE = "cosine"
    ORDER = "order"


def contrastive_loss(scores: Tensor, *, margin: float, hardest: bool, same_image: Tensor | None = None) -> Tensor:
    """Hinge of every wrong pair against both of its right ones, summed over the batch.

    `scores` [N, N] of images and sentences, pairs on the diagonal. With `hardest` only the worst wrong pair of every
    row and column counts. `same_image` [N, N] bool marks further right pairs (another caption of the same image).
    """
    right = scores.diagonal()
    ignored = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    if same_image is not None:
        ignored = ignored | same_image
    wrong_sentence = (margin + scores - right[:, None]).clamp_min(0).masked_fill(ignored, 0)
    wrong_image = (margin + scores - right[None, :]).clamp_min(0).masked_fill(ignored, 0)
    if hardest:
        return wrong_sentence.amax(dim=1).sum() + wrong_image.amax(dim=0).sum()
    return wrong_sentence.sum() + wrong_image.sum()


def matching_scores(images: Tensor, sentences: Tensor, measure: Measure) -> Tensor:
    """Global vectors of N images and N sentences [N, D] -> [N, N]."""
    match measure:
        case Measure.DOT:
            return images @ sentences.T
        case Measure.COSINE:
            return unit_length(images) @ unit_length(sentences).T
        case Measure.ORDER:  # Vendrov et al., ICLR 2016; made for vectors without negative numbers
            violation: Tensor = (sentences[None] - images[:, None]).clamp_min(0).norm(dim=2)
            return -violation


def soft_cross_entropy(logits: Tensor, told: Tensor) -> Tensor:
    """Both [N, C]: every caption among the images, and every image among the captions, as a teacher would choose."""
    to_image = F.cross_entropy(logits.T, told.T.softmax(dim=1))
    to_text = F.cross_entropy(logits, told.softmax(dim=1))
    return to_image + to_text


def multi_positive_hinge(scores: Tensor, owners: Tensor, *, margin: float, hardest: bool) -> Tensor:
    """The contrastive loss where an image has several captions: scores [N, C], caption c describes image owners[c].

    Captions of one image are not held against each other. The mean over captions, whatever the size of the batch.
    """
    own = _own(scores, owners)  # [N, C]
    right = scores[owners, torch.arange(len(owners), device=owners.device)]  # [C]
    wrong_image = (margin + scores - right).clamp_min(0).masked_fill(own, 0)  # [N, C]
    # Row c: every caption for the image that caption c describes, against caption c itself.
    wrong_sentence = (margin + scores[owners] - right[:, None]).clamp_min(0).masked_fill(own[owners], 0)  # [C, C]
    if hardest:
        return wrong_sentence.amax(dim=1).mean() + wrong_image.amax(dim=0).mean()
    return wrong_sentence.sum(dim=1).mean() + wrong_image.sum(dim=0).mean()


def multi_positive_cross_entropy(scores: Tensor, owners: Tensor) -> Tensor:
    """InfoNCE where an image has several captions: scores [N, C], caption c describes image owners[c].

    Each caption picks its image among N; each image-caption pair is picked among the captions of other images.
    """
    captions = torch.arange(scores.shape[1], device=scores.device)
    to_image = F.cross_entropy(scores.T, owners)
    others = scores.masked_fill(_own(scores, owners), -torch.inf).logsumexp(dim=1)[owners]  # [C]
    right = scores[owners, captions]  # [C]
    to_text = (torch.logaddexp(right, others) - right).mean()
    return to_image + to_text


def _own(scores: Tensor, owners: Tensor) -> Tensor:
    """Which captions describe which image, [N, C] bool."""
    own: Tensor = owners[None, :] == torch.arange(len(scores), device=scores.device)[:, None]
    return own
