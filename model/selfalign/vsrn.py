"""SelfAlign on VSRN: regions that reason about one another are read by a GRU, words by another.

Letters in shapes: N items, L places (R regions of an image, T words of a sentence), D width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from model.selfalign.config import VsrnConfig
from model.selfalign.context import Context, ContextHead
from model.selfalign.places import mean_of_places, places, scale, unit

RELATIONS = 4


@dataclass(frozen=True, slots=True)
class VsrnImages:
    globals: Tensor  # [N, D] of length one: what the GRU has read at the end
    relations: Tensor  # [N, R, D]: the regions that know of one another, scaled
    concepts: Tensor  # [N, R, D] of length one: the regions before
    context: Context

    @property
    def vectors(self) -> Tensor:
        """[N, 3 D]"""
        local = self.context.local.mean(dim=1)
        return torch.cat([self.globals, 0.5 * self.context.fused, 0.5 * local], dim=1)


@dataclass(frozen=True, slots=True)
class VsrnSentences:
    globals: Tensor  # [N, D] of length one
    concepts: Tensor  # [N, T, D] of length one
    context: Context
    real: Tensor  # [N, T] bool: the words of the sentence, its start and end included
    counted: Tensor  # [N, T] bool: those that took part, which are all as published

    @property
    def vectors(self) -> Tensor:
        """[N, 3 D]: an image's fused vector meets the mean of the places, and its mean the fused vector."""
        local = mean_of_places(self.context.local, self.counted)
        return torch.cat([self.globals, local, self.context.fused], dim=1)


class Relation(nn.Module):
    """Every region takes something of all others, by how much they have to do with one another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.asking, self.asked, self.given, self.taken = (nn.Conv1d(width, width, 1) for _ in range(4))
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, D, R] -> [N, D, R]"""
        affinity = self.asking(x).transpose(1, 2) @ self.asked(x) / x.shape[2]  # [N, R, R], no softmax
        gathered = affinity @ self.given(x).transpose(1, 2)  # [N, R, D]
        related: Tensor = x + self.norm(self.taken(gathered.transpose(1, 2)))
        return related


class ImageSide(nn.Module):
    def __init__(self, config: VsrnConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_width
        self.projection = nn.Linear(config.feature_width, width)
        self.relations = nn.Sequential(*(Relation(width) for _ in range(RELATIONS)))
        self.context = ContextHead(width, relu=config.context_relu)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.norm = nn.BatchNorm1d(width) if config.image_norm else nn.Identity()

    def forward(self, features: Tensor) -> VsrnImages:
        """features [N, R, F] without padding."""
        real = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        x = scale(self.projection(features), self.config.feature_scaling, real)  # [N, R, D]
        related = self.relations(x.transpose(1, 2)).transpose(1, 2)  # [N, R, D]
        read = scale(related, self.config.scaling, real)  # [N, R, D]
        _, last = self.gru(read)  # [1, N, D]
        return VsrnImages(unit(self.norm(last[0])), read, unit(x), self.context(related, real))


class SentenceSide(nn.Module):
    def __init__(self, config: VsrnConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_width
        self.words = nn.Embedding(config.vocabulary, config.word_width)
        self.projection = nn.Linear(config.word_width, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.context = ContextHead(width, relu=config.context_relu)

    def forward(self, word_ids: Tensor, lengths: Tensor) -> VsrnSentences:
        """word_ids [N, T] with start and end, of which `lengths` [N] are real."""
        width = word_ids.shape[1]
        counted = places(lengths, width, padding_counts=self.config.padding_counts)
        x = self.projection(self.words(word_ids))  # [N, T, D]
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.gru(packed)  # last [1, N, D]
        hidden, _ = pad_packed_sequence(states, batch_first=True, total_length=width)  # [N, T, D], padding is 0
        real = places(lengths, width, padding_counts=False)
        return VsrnSentences(unit(last[0]), unit(x), self.context(hidden, counted), real, counted)


class Vsrn(nn.Module):
    def __init__(self, config: VsrnConfig) -> None:
        super().__init__()
        self.config = config
        self.image_side = ImageSide(config)
        self.sentence_side = SentenceSide(config)
