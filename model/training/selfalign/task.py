"""Teach CAMERA or VSRN, with the losses of SelfAlign, which image belongs to which caption (arXiv 2308.14009)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from model.errors import BadFeatures
from model.evaluation.protocol import report_of, score_encoded
from model.regions.files import FeatureFiles
from model.regions.region_features import RegionFeatures
from model.selfalign.camera_encoder import CameraEncoder
from model.selfalign.vsrn_encoder import VsrnEncoder
from model.selfalign.word_pieces import pad_ids
from model.teran.tokenizer import check_words
from model.training.batch_order import draw_batch
from model.training.data import CaptionedImages
from model.training.hardware import Arithmetic
from model.training.loop import Validation
from model.training.optimization import ParameterGroup
from model.training.readable import check_readable
from model.training.selfalign.building import CameraBeginning, VsrnBeginning
from model.training.selfalign.captioning import Captioner
from model.training.selfalign.concepts import Prototypes
from model.training.selfalign.objectives import CameraObjective, Losses, VsrnObjective
from model.training.selfalign.pairs import CameraPairs, VsrnPairs
from model.training.selfalign.stage import SelfAlignStage
from model.training.validation import METRICS, validation_of
from model.training.views import PublishedRegions

BERT = "network.sentence_side.bert."

ReadSentence = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Example:
    """B pairs."""

    regions: RegionFeatures
    ids: Tensor  # [B, T]
    lengths: Tensor  # [B]
    epoch: int


class SelfAlignTask:
    """A Task (model/training/loop.py)."""

    metric_names = METRICS

    def __init__(
        self,
        begun: CameraBeginning | VsrnBeginning,
        stage: SelfAlignStage,
        *,
        train: CaptionedImages,
        validation: CaptionedImages,
        features: Path,
        arithmetic: Arithmetic,
    ) -> None:
        """Region features are read from the folder `features`."""
        self.module = build_pairs(begun, stage).to(arithmetic.device)
        self.batches = len(train) // stage.images
        self._begun, self._stage, self._arithmetic = begun, stage, arithmetic
        read = reader_of(begun)
        check_readable((train, validation), read)
        self._ids = [[read(text) for text in own] for own in train.captions]
        files = FeatureFiles(features, begun.network.config.feature_width)
        self._regions = PublishedRegions(files, train.published)
        self._validation_regions = PublishedRegions(files, validation.published)
        self._validation_captions = validation.captions

    def parameter_groups(self) -> list[ParameterGroup]:
        named = list(self.module.named_parameters())
        others = [parameter for name, parameter in named if not name.startswith(BERT)]
        bert = [parameter for name, parameter in named if name.startswith(BERT)]
        return [ParameterGroup(others, self._stage.optimization.lr), ParameterGroup(bert, self._stage.bert_lr)]

    def batch(self, epoch: int, number: int) -> Example:
        stage, seed = self._stage, self._stage.optimization.seed
        rows, generator = draw_batch(len(self._ids), size=stage.images, seed=seed, epoch=epoch, number=number)
        sentences = [self._ids[row][generator.integers(len(self._ids[row]))] for row in rows]
        regions = self._regions.look(rows, generator).regions
        check_regions(regions)
        return Example(regions, *pad_ids(sentences, width=self._padded_width()), epoch)

    def loss(self, module: nn.Module, batch: Example) -> Tensor:
        device = self._arithmetic.device
        self.module.objective.prototypes.still = batch.epoch < self._stage.still_epochs
        with self._arithmetic.autocast():
            losses: Losses = module(batch.regions.to(device), batch.ids.to(device), batch.lengths.to(device))
        return losses.total

    def validate(self) -> Validation:
        encoder = encoder_of(self._begun)
        images = (one for found in self._validation_regions.whole() for one in encoder.encode_features(found.regions))
        report = report_of(*score_encoded(encoder, images, self._validation_captions))
        return validation_of(report.t2i, report.i2t)

    def publish(self, folder: Path) -> None:
        self._begun.save(folder, name=f"{folder.parent.parent.name}-{self._stage.name}", dtype=torch.float32)

    def _padded_width(self) -> int | None:
        match self._begun:
            case CameraBeginning(network) if network.config.padding_counts:
                return network.config.max_words
        return None


def build_pairs(begun: CameraBeginning | VsrnBeginning, stage: SelfAlignStage) -> CameraPairs | VsrnPairs:
    torch.manual_seed(stage.optimization.seed)
    prototypes = Prototypes(stage.prototypes, begun.network.config.embedding_width)
    margin, hardest, negatives = stage.margin, stage.hardest, stage.negatives
    match begun:
        case CameraBeginning(network):
            return CameraPairs(
                network, CameraObjective(prototypes, margin=margin, hardest=hardest, negatives=negatives)
            )
        case VsrnBeginning(network, words):
            sizes = stage.captioner
            captioner = Captioner(
                width=network.config.embedding_width,
                vocabulary=len(words),
                hidden=sizes.hidden,
                word_width=sizes.word_width,
                longest=sizes.longest,
                dropout=sizes.dropout,
            )
            objective = VsrnObjective(prototypes, captioner, margin=margin, hardest=hardest, negatives=negatives)
            return VsrnPairs(network, objective)


def reader_of(begun: CameraBeginning | VsrnBeginning) -> ReadSentence:
    """The ids of a caption. It raises BadSentence for what the model does not read in use either."""

    def read(text: str) -> list[int]:
        check_words(text)
        match begun:
            case CameraBeginning(network, pieces):
                config = network.config
                return pieces(text, longest=config.max_words, cut=config.cut_long_sentences)
            case VsrnBeginning(_, words):
                return words(text)

    return read


def encoder_of(begun: CameraBeginning | VsrnBeginning) -> CameraEncoder | VsrnEncoder:
    """The network in use, for regions that were found elsewhere."""
    match begun:
        case CameraBeginning(network, pieces):
            return CameraEncoder(network, pieces, None, name="", fingerprint="")
        case VsrnBeginning(network, words):
            return VsrnEncoder(network, words, None, name="", fingerprint="")


def check_regions(regions: RegionFeatures) -> None:
    """All images of a batch must have equally many: padding would be a region as any other."""
    counts: Sequence[int] = sorted(set(regions.counts.tolist()))
    if len(counts) > 1:
        raise BadFeatures(
            f"images have {counts[0]} to {counts[-1]} regions: SelfAlign is trained on equally many of each"
        )
