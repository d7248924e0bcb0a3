"""What is learned from a tutor, a TERAN that has been trained already: to put regions and words where it does.

Both look at the same windows, and make vectors of one width. Words are compared whole, for each side has word pieces
of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.scoring import Pooling, maxsim
from model.training.captioned import Batch
from model.training.learner import Scored
from model.training.losses import soft_cross_entropy
from model.training.trainee import Rows
from model.training.views import PooledWindows


@dataclass(frozen=True, slots=True)
class TutorConfig:
    model: str  # the folder of its checkpoint, below that of the recipe or where the training is started
    likeness: float = 2.0  # weight of one minus the cosine of regions, and of words, with the tutor's
    soft_targets: float = 1.0  # weight of its scores of the batch, by whole words, as what scores should be like
    scale: float = 2.3  # by which these are multiplied before a softmax makes targets of them

    def __post_init__(self) -> None:
        if min(self.likeness, self.soft_targets) < 0 or not self.scale > 0:
            raise ValueError("likeness and soft_targets must not be negative, scale must be greater than 0")


@dataclass(frozen=True, slots=True)
class WordsOfCaption:
    count: int
    of_pieces: Sequence[int]  # the word of each piece, the special ones and the full stop left out


class TutorLesson(NamedTuple):
    """Where the tutor puts the images and captions of a batch."""

    images: Tensor  # [N, R, D], of length 1
    words: Rows  # [C, W, D], of length 1
    word_of_row: Tensor  # [C, L] int64, of the captions' own rows; W for one that belongs to none

    def to(self, device: torch.device) -> "TutorLesson":
        words = Rows(*(tensor.to(device) for tensor in self.words))
        return TutorLesson(self.images.to(device), words, self.word_of_row.to(device))


class TutorVectors:
    """Its vectors of all stored views of a training, and of all captions."""

    def __init__(
        self,
        images: NDArray[np.float16],
        words: NDArray[np.float16],
        captions: Sequence[WordsOfCaption],
        firsts: NDArray[np.int64],
    ) -> None:
        """Images [V, N, R, D]; words [sum of all, D], the captions that have them, and the first of each image."""
        self._images, self._words = images, words
        self._captions, self._firsts = captions, firsts
        self._starts = np.cumsum([0, *(caption.count for caption in captions)])  # of their words

    def lesson(self, seen: PooledWindows, batch: Batch) -> TutorLesson:
        captions = batch.captions(self._firsts).tolist()
        told = [self._words[self._starts[caption] : self._starts[caption + 1]] for caption in captions]
        words = pad_sequence([torch.from_numpy(one).float() for one in told], batch_first=True)
        real = torch.arange(words.shape[1]) < torch.tensor([len(one) for one in told])[:, None]
        word_of_row = torch.full((len(captions), batch.token_ids.shape[1] - 3), words.shape[1])
        for row, (caption, length) in enumerate(zip(captions, batch.lengths.tolist(), strict=True)):
            pieces = self._captions[caption].of_pieces[: length - 3]  # the first ones of a caption that was shortened
            word_of_row[row, : len(pieces)] = torch.tensor(pieces, dtype=torch.int64)
        images = torch.from_numpy(self._images[seen.views, batch.rows]).float()
        return TutorLesson(images, Rows(words, real), word_of_row)


def tutored_loss(scored: Scored, lesson: TutorLesson, config: TutorConfig, *, pooling: Pooling) -> Tensor:
    loss = scored.scores.new_zeros(())
    if config.likeness:
        regions = 1 - F.cosine_similarity(scored.images.vectors, lesson.images[:, scored.places], dim=2)
        own = whole_words(scored.captions.vectors, lesson)
        said = F.one_hot(lesson.word_of_row, own.shape[1] + 1).amax(dim=1)[:, :-1]  # [C, W], whose words have rows
        words = (1 - F.cosine_similarity(own, lesson.words.vectors, dim=2)) * said
        loss = loss + config.likeness * (regions.mean() + words.sum() / said.sum().clamp_min(1))
    if config.soft_targets:
        all_regions = lesson.images.new_ones(lesson.images.shape[:2], dtype=torch.bool)
        told = config.scale * maxsim(lesson.images, all_regions, *lesson.words, pooling=pooling)  # [N, C]
        loss = loss + config.soft_targets * soft_cross_entropy(scored.scores * scored.scale, told)
    return loss


def whole_words(rows: Tensor, lesson: TutorLesson) -> Tensor:
    """The rows [C, L, D] of each word added up, [C, W, D]."""
    (captions, words, _), width = lesson.words.vectors.shape, rows.shape[2]
    places = lesson.word_of_row[..., None].expand(-1, -1, width)
    return rows.new_zeros(captions, words + 1, width).scatter_add(1, places, rows)[:, :words]
