"""What SelfAlign minimises on CAMERA and on VSRN: losses by name, and their weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.scoring import Pooling, maxsim
from model.selfalign.camera import CameraImages, CameraSentences
from model.selfalign.context import Context
from model.selfalign.places import unit
from model.selfalign.vsrn import VsrnImages, VsrnSentences
from model.training.losses import contrastive_loss
from model.training.selfalign.captioning import Captioner, captioning_loss
from model.training.selfalign.concepts import Prototypes, concept_loss
from model.training.selfalign.context import NEGATIVES, context_loss

MARGIN = 0.2
DIVERSITY = 0.01  # weight of CAMERA's diversity loss


@dataclass(frozen=True, slots=True)
class Losses:
    """Every loss as it is added up, but for its weight."""

    by_name: Mapping[str, Tensor]
    weights: Mapping[str, float]

    @property
    def total(self) -> Tensor:
        return torch.stack([self.weights.get(name, 1.0) * loss for name, loss in self.by_name.items()]).sum()


class CameraObjective(nn.Module):
    """B images and B sentences, pairs at the same places."""

    def __init__(
        self, prototypes: Prototypes, *, margin: float = MARGIN, hardest: bool = True, negatives: int = NEGATIVES
    ) -> None:
        super().__init__()
        self.prototypes = prototypes
        self.margin = margin
        self.hardest = hardest
        self.negatives = negatives

    def forward(self, images: CameraImages, sentences: CameraSentences) -> Losses:
        losses = {
            "concept": concept_loss(self.prototypes, images.concepts, sentences.concepts, sentences.real),
            "context": both_contexts(images.context, sentences.context, sentences.counted, negatives=self.negatives),
            "ranking": contrastive_loss(camera_scores(images, sentences), margin=self.margin, hardest=self.hardest),
            "diversity": diversity_loss(images.view_logits),
        }
        return Losses(losses, {"diversity": DIVERSITY})


class VsrnObjective(nn.Module):
    """B images and B sentences, pairs at the same places; the sentences as labels for the captioner too."""

    def __init__(
        self,
        prototypes: Prototypes,
        captioner: Captioner,
        *,
        margin: float = MARGIN,
        hardest: bool = True,
        negatives: int = NEGATIVES,
    ) -> None:
        super().__init__()
        self.prototypes = prototypes
        self.captioner = captioner
        self.margin = margin
        self.hardest = hardest
        self.negatives = negatives

    def forward(self, images: VsrnImages, sentences: VsrnSentences, labels: Tensor) -> Losses:
        scores = images.vectors @ sentences.vectors.T  # [B, B]
        losses = {
            "concept": concept_loss(self.prototypes, images.concepts, sentences.concepts, sentences.real),
            "context": both_contexts(images.context, sentences.context, sentences.counted, negatives=self.negatives),
            "ranking": contrastive_loss(scores, margin=self.margin, hardest=self.hardest),
            "captioning": captioning_loss(self.captioner, images.relations, labels),
        }
        return Losses(losses, {})


def both_contexts(images: Context, sentences: Context, counted: Tensor, *, negatives: int) -> Tensor:
    """Sentences against regions and images against words, in equal parts."""
    regions = torch.ones(images.local.shape[:2], dtype=torch.bool, device=counted.device)
    to_regions = context_loss(sentences.whole, images.local, regions, negatives=negatives)
    to_words = context_loss(images.whole, sentences.local, counted, negatives=negatives)
    return 0.5 * to_regions + 0.5 * to_words


def camera_scores(images: CameraImages, sentences: CameraSentences) -> Tensor:
    """The retrieval score of every pair, [B, B]."""
    views, vectors = images.views, sentences.vectors[:, None]  # [B, V, D], [B, 1, D]
    all_views, all_vectors = (torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) for x in (views, vectors))
    best_view = maxsim(views, all_views, vectors, all_vectors, pooling=Pooling.MR_SW)
    return best_view + images.context_vectors @ sentences.context_vectors.T


def diversity_loss(view_logits: Tensor) -> Tensor:
    """How much the views of an image weight the same regions, from their logits [B, R, V]."""
    weights = unit(view_logits.transpose(1, 2))  # [B, V, R]
    alike = weights @ weights.transpose(1, 2)  # [B, V, V]
    return (alike - torch.eye(alike.shape[1], device=alike.device)).square().sum()
