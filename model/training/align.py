"""Teach both sides of TERAN which image belongs to which caption."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.checkpoint import save_checkpoint
from model.evaluation.ranks import Metrics, image_to_text_ranks, metrics, text_to_image_ranks
from model.scoring import maxsim
from model.teran.tokenizer import Tokenizer
from model.training.batch_order import draw_batch
from model.training.captioned import Batch, CaptionedSet
from model.training.hardware import Arithmetic
from model.training.learner import Learner, Scored
from model.training.loop import Validation
from model.training.losses import multi_positive_cross_entropy, multi_positive_hinge
from model.training.optimization import Optimization, ParameterGroup
from model.training.sentence_teacher import Foretelling, Lesson, Meanings, SentenceTeacherConfig, taught_loss
from model.training.trainee import Rows, Trainee
from model.training.tutored import TutorConfig, TutorLesson, TutorVectors, tutored_loss
from model.training.validation import METRICS, validation_of
from model.training.views import ImageSet, PooledWindows, Seen

CONVNET, BERT, SCALE = "trainee.regions.convnet.", "trainee.teran.sentence_side.bert.", "trainee.log_scale"


class ViewKind(StrEnum):
    FRESH = "fresh"  # cut anew in every step: the convolutional network runs each time, and can learn
    STORED = "stored"  # a few of each picture, seen by the convolutional network only once


@dataclass(frozen=True, slots=True)
class LossWeights:
    contrast: float = 1.0  # of the cross-entropy (InfoNCE)
    hinge: float = 0.0  # of TERAN's own loss, the mean over captions
    margin: float = 0.2
    hardest: bool = True  # only the worst wrong image and the worst wrong caption count in the hinge

    def __post_init__(self) -> None:
        if min(self.contrast, self.hinge) < 0 or not self.contrast + self.hinge > 0:
            raise ValueError("contrast and hinge must not be negative, and not both 0")


@dataclass(frozen=True, slots=True)
class AlignConfig:
    name: str
    optimization: Optimization
    loss: LossWeights = LossWeights()
    views: ViewKind = ViewKind.FRESH
    stored_views: int = 6  # of each picture, the whole one among them
    smallest_crop: float = 0.5  # share of the picture's area
    images: int = 64  # of a batch
    captions: int = 3  # of each of them
    convnet_lr: float = 0.0  # 0 leaves the convolutional network as it is
    bert_lr: float | None = None  # without it BERT learns as fast as all else; 0 leaves it as it is
    longest: int = 28  # pieces of a caption that are read; the few longer ones would pad all others of their batch
    unknown: float = 0.05  # share of word pieces that the sentence side does not get to see
    regions_seen: float = 1.0  # share of the regions that the image side gets to see
    teacher: SentenceTeacherConfig | None = None
    tutor: TutorConfig | None = None
    kind: Literal["align"] = "align"

    def __post_init__(self) -> None:
        if self.images < 2 or self.captions < 1 or self.stored_views < 1:
            raise ValueError("images must be at least 2, captions and stored_views at least 1")
        if not (0 < self.smallest_crop <= 1 and 0 <= self.unknown < 1 and 0 <= self.convnet_lr < 1):
            raise ValueError("smallest_crop must lie in 0..1, unknown and convnet_lr in 0..1 without the 1")
        if not 0 < self.regions_seen <= 1:
            raise ValueError("regions_seen must lie in 0..1 without the 0")
        if self.longest < 4:
            raise ValueError("longest must be at least 4: [CLS], a piece, the full stop and [SEP]")
        if self.bert_lr is not None and not 0 <= self.bert_lr < 1:
            raise ValueError("bert_lr must lie in 0..1 without the 1")
        if self.convnet_lr and self.views is ViewKind.STORED:
            raise ValueError("convnet_lr must be 0 where views are stored: the convolutional network does not run")
        if self.tutor is not None and self.views is not ViewKind.STORED:
            raise ValueError('a tutor takes views = "stored": it has seen those')

    @property
    def has_cross_entropy(self) -> bool:
        told = [one.soft_targets for one in (self.teacher, self.tutor) if one is not None]
        return any([self.loss.contrast, *told])


@dataclass(frozen=True, slots=True)
class Example:
    seen: Seen  # N images
    captions: Batch
    lesson: Lesson | None
    tutored: TutorLesson | None


@dataclass(frozen=True, slots=True)
class Split:
    images: ImageSet
    captions: CaptionedSet


class AlignTask:
    """A Task (model/training/loop.py)."""

    metric_names = METRICS

    def __init__(
        self,
        trainee: Trainee,
        tokenizer: Tokenizer,
        config: AlignConfig,
        *,
        train: Split,
        validation: Split,
        arithmetic: Arithmetic,
        meanings: Meanings | None = None,
        tutor: TutorVectors | None = None,
    ) -> None:
        """`meanings` are those of the captions to train on, where the configuration has a teacher; `tutor` likewise."""
        torch.manual_seed(config.optimization.seed)
        width = trainee.teran.config.embedding_width
        foretelling = Foretelling(width, meanings.width).to(arithmetic.device) if meanings is not None else None
        self.module = Learner(trainee, foretelling, regions_seen=config.regions_seen)
        self._meanings, self._tutor = meanings, tutor
        self.batches = len(train.captions) // config.images
        self._tokenizer = tokenizer
        self._config = config
        self._train = train
        self._validation = validation
        self._arithmetic = arithmetic

    def parameter_groups(self) -> list[ParameterGroup]:
        """Both encoders have rates of their own; the scale matters to cross-entropies alone."""
        named = list(self.module.named_parameters())
        convnet, bert = ([parameter for name, parameter in named if name.startswith(part)] for part in (CONVNET, BERT))
        others = [parameter for name, parameter in named if not name.startswith((CONVNET, BERT, SCALE))]
        lr, bert_lr = self._config.optimization.lr, self._config.bert_lr
        return [
            ParameterGroup(others, lr),
            ParameterGroup([self.module.trainee.log_scale], lr if self._config.has_cross_entropy else 0.0),
            ParameterGroup(bert, lr if bert_lr is None else bert_lr),
            ParameterGroup(convnet, self._config.convnet_lr),
        ]

    def batch(self, epoch: int, number: int) -> Example:
        config, seed = self._config, self._config.optimization.seed
        rows, generator = draw_batch(
            len(self._train.captions), size=config.images, seed=seed, epoch=epoch, number=number
        )
        captions = self._train.captions.drawn(
            rows, captions=config.captions, unknown=config.unknown, generator=generator
        )
        lesson = self._meanings.lesson(captions) if self._meanings is not None else None
        seen = self._train.images.look(rows, generator)
        if self._tutor is None:
            return Example(seen, captions, lesson, tutored=None)
        assert isinstance(seen, PooledWindows)  # or the configuration would have been refused
        return Example(seen, captions, lesson, self._tutor.lesson(seen, captions))

    def loss(self, module: nn.Module, batch: Example) -> Tensor:
        device, teacher, tutor = self._arithmetic.device, self._config.teacher, self._config.tutor
        captions = batch.captions.to(device)
        with self._arithmetic.autocast():
            scored: Scored = module(batch.seen.to(device), captions.token_ids, captions.lengths)
        loss = weighted_loss(scored, captions.owners, self._config.loss)
        if teacher is not None and scored.guesses is not None and batch.lesson is not None:
            loss = loss + taught_loss(scored.scores * scored.scale, scored.guesses, batch.lesson.to(device), teacher)
        if tutor is not None:
            assert batch.tutored is not None
            pooling = self.module.trainee.teran.config.pooling
            loss = loss + tutored_loss(scored, batch.tutored.to(device), tutor, pooling=pooling)
        return loss

    def validate(self) -> Validation:
        return validation_of(*retrieval_metrics(self.module.trainee, self._validation, self._arithmetic))

    def publish(self, folder: Path) -> None:
        trainee = self.module.trainee
        save_checkpoint(
            folder,
            name=f"{folder.parent.parent.name}-{self._config.name}",
            teran=trainee.teran,
            regions=trainee.regions,
            tokenizer=self._tokenizer,
            dtype=torch.float32,
        )


def weighted_loss(scored: Scored, owners: Tensor, weights: LossWeights) -> Tensor:
    """owners [C]: the row of the scores that each caption belongs to."""
    loss = scored.scores.new_zeros(())
    if weights.contrast:
        loss = loss + weights.contrast * multi_positive_cross_entropy(scored.scores * scored.scale, owners)
    if weights.hinge:
        hinge = multi_positive_hinge(scored.scores, owners, margin=weights.margin, hardest=weights.hardest)
        loss = loss + weights.hinge * hinge
    return loss


def retrieval_metrics(trainee: Trainee, split: Split, arithmetic: Arithmetic) -> tuple[Metrics, Metrics]:
    """Text to image, and image to text, of all images against all captions."""
    trainee.eval()
    with torch.inference_mode():
        images = list(_embedded(trainee, split.images.whole(), arithmetic))
        columns, owners = [], []
        for batch in split.captions.in_order(images=50):
            on_device = batch.to(arithmetic.device)
            with arithmetic.autocast():
                words = trainee.embed_captions(on_device.token_ids, on_device.lengths)
            pooling = trainee.teran.config.pooling
            columns.append(torch.cat([maxsim(*some, *words, pooling=pooling) for some in images]).cpu())
            owners.append(batch.rows[batch.owners.numpy()])
    scores: NDArray[np.float32] = torch.cat(columns, dim=1).numpy()
    right = np.concatenate(owners)
    return metrics(text_to_image_ranks(scores, right)), metrics(image_to_text_ranks(scores, right))


def _embedded(trainee: Trainee, images: Iterator[Seen], arithmetic: Arithmetic) -> Iterator[Rows]:
    for seen in images:
        with arithmetic.autocast():
            rows = trainee.embed_images(seen.to(arithmetic.device))
        yield rows
