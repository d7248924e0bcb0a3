"""Captioned images as batches: some images, each with several of its captions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.teran.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Batch:
    rows: NDArray[np.int64]  # [N], which images
    token_ids: Tensor  # [C, L]
    lengths: Tensor  # [C]
    owners: Tensor  # [C] int64, the place in `rows` of the image that each caption describes
    numbers: NDArray[np.int64]  # [C], which of that image's captions it is

    def captions(self, firsts: NDArray[np.int64]) -> NDArray[np.int64]:
        """[C], which captions of all, where the image of each row has its first at `firsts`."""
        captions: NDArray[np.int64] = firsts[self.rows[self.owners.numpy()]] + self.numbers
        return captions

    def to(self, device: torch.device) -> "Batch":
        return replace(
            self,
            token_ids=self.token_ids.to(device),
            lengths=self.lengths.to(device),
            owners=self.owners.to(device),
        )


class CaptionedSet:
    def __init__(
        self,
        captions: Sequence[Sequence[str]],
        tokenizer: Tokenizer,
        *,
        append_full_stop: bool = True,
        longest: int | None = None,
    ) -> None:
        """`captions` of each image; where they are drawn, only the first pieces of one, `longest` in all, are read."""
        self._longest, self._endings = longest, 2 if append_full_stop else 1
        self._unknown = tokenizer.unknown_id
        self._ids = [[tokenizer(text, append_full_stop=append_full_stop).ids for text in own] for own in captions]

    def __len__(self) -> int:
        return len(self._ids)

    def drawn(self, rows: NDArray[np.int64], *, captions: int, unknown: float, generator: np.random.Generator) -> Batch:
        """The images with some of their captions each; a share of the pieces becomes [UNK]."""
        chosen = [generator.permutation(len(self._ids[row]))[:captions].tolist() for row in rows]
        batch = self._batch(rows, chosen, longest=self._longest)
        places = torch.arange(batch.token_ids.shape[1])
        hidden = torch.from_numpy(generator.random(tuple(batch.token_ids.shape)) < unknown)
        hidden &= (places > 0) & (places < batch.lengths[:, None] - 1)  # [CLS] and [SEP] stay
        return replace(batch, token_ids=batch.token_ids.masked_fill(hidden, self._unknown))

    def in_order(self, *, images: int) -> Iterator[Batch]:
        """Every image with all of its captions."""
        for start in range(0, len(self), images):
            rows = np.arange(start, min(start + images, len(self)))
            yield self._batch(rows, [range(len(self._ids[row])) for row in rows], longest=None)

    def _batch(self, rows: NDArray[np.int64], chosen: Sequence[Sequence[int]], *, longest: int | None) -> Batch:
        owners = [place for place, captions in enumerate(chosen) for _ in captions]
        ids = [
            torch.tensor(self._shortened(self._ids[rows[place]][caption], longest))
            for place, captions in enumerate(chosen)
            for caption in captions
        ]
        lengths = torch.tensor([len(one) for one in ids])
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        numbers = np.array([caption for captions in chosen for caption in captions])
        return Batch(rows, padded, lengths, torch.tensor(owners), numbers)

    def _shortened(self, ids: tuple[int, ...], longest: int | None) -> tuple[int, ...]:
        """At most `longest` pieces, [SEP] and an appended full stop kept at the end."""
        if longest is None or len(ids) <= longest:
            return ids
        return (*ids[: longest - self._endings], *ids[-self._endings :])
