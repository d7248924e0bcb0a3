"""Teach both sides of HAT which image belongs to which caption (Bin et al., ACM MM 2023, section 3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.cross_attention import CrossAttention, cross_attention
from model.embeddings import Picture
from model.evaluation.protocol import evaluate_encoder
from model.hat.encoder import HatEncoder, channels_of, score_spec_of
from model.hat.network import Hat
from model.regions.mobilenet import PIXEL_MEAN, PIXEL_STD
from model.teran.tokenizer import check_words
from model.training.batch_order import draw_batch
from model.training.captioned import Batch, CaptionedSet
from model.training.data import CaptionedImages
from model.training.hardware import Arithmetic, in_float32
from model.training.hat.building import HatBeginning
from model.training.hat.stage import HatStage
from model.training.loop import Validation
from model.training.losses import multi_positive_hinge
from model.training.optimization import ParameterGroup
from model.training.pictures import load_pictures
from model.training.readable import check_readable
from model.training.validation import METRICS, validation_of
from model.training.views import Pictures, Views

BACKBONES = ("network.image_side.swin.", "network.sentence_side.bert.")


@dataclass(frozen=True, slots=True)
class Example:
    views: Views  # N images
    captions: Batch


class HatScores(nn.Module):
    """The score of every image of a batch for every caption, by the terms that a search adds up."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: Hat) -> None:
        super().__init__()
        self.network = network
        self.terms = score_spec_of([network.config]).counting_terms
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(PIXEL_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor, token_ids: Tensor, lengths: Tensor) -> Tensor:
        """pixels [N, 3, side, side] in 0..1, token_ids [C, L] of which `lengths` [C] are real -> [N, C]."""
        real = torch.arange(token_ids.shape[1], device=lengths.device) < lengths[:, None]  # [C, L]
        regions = dict(zip(channels_of(0), self.network.encode_images((pixels - self.mean) / self.std), strict=True))
        words = dict(zip(channels_of(0), self.network.encode_tokens(token_ids, real), strict=True))
        scores = []
        with in_float32(pixels.device):
            for term in self.terms:
                assert isinstance(term.kernel, CrossAttention)
                own, others = regions[term.channel].float(), words[term.channel].float()
                all_patches = torch.ones(own.shape[:2], dtype=torch.bool, device=own.device)
                scores.append(term.weight * cross_attention(own, all_patches, others, real, kernel=term.kernel))
        return torch.stack(scores).sum(dim=0)


class HatTask:
    """A Task (model/training/loop.py)."""

    metric_names = METRICS

    def __init__(
        self,
        begun: HatBeginning,
        stage: HatStage,
        *,
        train: CaptionedImages,
        validation: CaptionedImages,
        cache: Path,
        arithmetic: Arithmetic,
    ) -> None:
        """Decoded pictures are kept in the folder `cache`."""
        check_readable((train, validation), check_words)
        framing = begun.network.config.framing
        self.module = HatScores(begun.network).to(arithmetic.device)
        self.batches = len(train) // stage.images
        self._begun, self._stage, self._arithmetic = begun, stage, arithmetic
        pictures = load_pictures(train.files, framing=framing, folder=cache)
        self._pictures = Pictures(pictures, smallest_crop=stage.smallest_crop)
        longest = begun.network.config.longest_sentence
        self._captions = CaptionedSet(train.captions, begun.tokenizer, append_full_stop=False, longest=longest)
        self._validation_pictures = load_pictures(validation.files, framing=framing, folder=cache)
        self._validation_captions = validation.captions

    def parameter_groups(self) -> list[ParameterGroup]:
        named = list(self.module.named_parameters())
        backbones = [parameter for name, parameter in named if name.startswith(BACKBONES)]
        others = [parameter for name, parameter in named if not name.startswith(BACKBONES)]
        lr, backbone_lr = self._stage.optimization.lr, self._stage.backbone_lr
        return [ParameterGroup(others, lr), ParameterGroup(backbones, lr if backbone_lr is None else backbone_lr)]

    def batch(self, epoch: int, number: int) -> Example:
        stage, seed = self._stage, self._stage.optimization.seed
        rows, generator = draw_batch(len(self._captions), size=stage.images, seed=seed, epoch=epoch, number=number)
        captions = self._captions.drawn(rows, captions=stage.captions, unknown=stage.unknown, generator=generator)
        return Example(self._pictures.look(rows, generator), captions)

    def loss(self, module: nn.Module, batch: Example) -> Tensor:
        captions = batch.captions.to(self._arithmetic.device)
        with self._arithmetic.autocast():
            scores = module(batch.views.to(self._arithmetic.device).pixels, captions.token_ids, captions.lengths)
        stage = self._stage
        return multi_positive_hinge(scores, captions.owners, margin=stage.margin, hardest=stage.hardest)

    def validate(self) -> Validation:
        encoder = HatEncoder([self.module.network], self._begun.tokenizer, name=self._stage.name, fingerprint="")
        report = evaluate_encoder(encoder, pictures_of(self._validation_pictures), self._validation_captions)
        return validation_of(report.t2i, report.i2t)

    def publish(self, folder: Path) -> None:
        self._begun.save(folder, name=f"{folder.parent.parent.name}-{self._stage.name}", dtype=torch.float32)


def pictures_of(pixels: NDArray[np.uint8]) -> Sequence[Picture]:
    """Framed already, [N, side, side, 3]."""
    return [Picture(one, width=one.shape[1], height=one.shape[0]) for one in pixels]
