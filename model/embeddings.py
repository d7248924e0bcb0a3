"""What an encoder makes of a picture and of a sentence: named channels of vectors, and what their rows stand for.

Letters in shapes: N images, K candidates, R regions of one image, W word vectors of a sentence, D width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Channels = Mapping[str, Tensor]  # name -> [n, D] float32


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded photograph, framed as an encoder asks for, and the size it was shot in."""

    pixels: NDArray[np.uint8]  # [side, side, 3], RGB
    width: int  # pixels of the upright original
    height: int
    name: str = ""  # of its file, for what is found by name


@dataclass(frozen=True, slots=True)
class ImageEmbedding:
    channels: Channels
    boxes: Tensor  # [R, 4] float32: x0, y0, x1, y1 as shares of width and height; R of all channels that count together


@dataclass(frozen=True, slots=True)
class Word:
    """A whole word of the sentence: `text == sentence[start:end]`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SentenceEmbedding:
    text: str
    channels: Channels
    words: tuple[Word, ...]
    word_of_row: Tensor  # [W] int64: the word that each row of the word channel is a piece of

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "SentenceEmbedding":
        vectors = {name: rows.to(device, dtype) for name, rows in self.channels.items()}
        return SentenceEmbedding(self.text, vectors, self.words, self.word_of_row)


@dataclass(frozen=True, slots=True)
class Ragged:
    """The rows of one channel of many images, one image after the other."""

    vectors: Tensor  # [sum of R, D] float32
    counts: Tensor  # [K] int64, the R of each image

    @classmethod
    def of(cls, items: Sequence[Tensor]) -> "Ragged":
        """Join matrices [R_k, D]; there must be at least one."""
        return cls(torch.cat(list(items)), torch.tensor([len(item) for item in items]))

    def to(self, dtype: torch.dtype) -> "Ragged":
        return Ragged(self.vectors.to(dtype), self.counts)

    def padded(self) -> tuple[Tensor, Tensor]:
        """The rows as [K, most R, D] with zeros behind the last, and which of them are real [K, most R] bool."""
        most = int(self.counts.max()) if len(self.counts) else 0
        real = torch.arange(most, device=self.counts.device) < self.counts[:, None]  # [K, most R]
        if bool(real.all()):
            return self.vectors.view(len(self.counts), most, self.vectors.shape[1]), real
        rows = self.vectors.new_zeros(len(self.counts), most, self.vectors.shape[1])
        rows[real] = self.vectors
        return rows, real
