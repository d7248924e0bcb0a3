"""Captioned images as batches: some images, each with several of its captions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.captions import CaptionedImage
from model.teran.encoder import pad_ids
from model.teran.tokenizer import Tokenizer, Tokens

UNKNOWN: Final = 1  # the id of [UNK] in the vocabularies of this project; all special pieces come before FIRST_PIECE
FIRST_PIECE: Final = 5
LONGEST: Final = 28  # pieces of a caption in training; the few longer ones would pad all others of their batch


@dataclass(frozen=True, slots=True)
class Batch:
    rows: NDArray[np.int64]  # [N], which images
    token_ids: Tensor  # [C, L]
    lengths: Tensor  # [C]
    owners: Tensor  # [C] int64, the place in `rows` of the image that each caption describes


class CaptionedSet:
    def __init__(self, images: Sequence[CaptionedImage], tokenizer: Tokenizer) -> None:
        self._tokens = [[tokenizer(text, append_full_stop=True) for text in image.captions] for image in images]

    def __len__(self) -> int:
        return len(self._tokens)

    def shuffled(
        self, *, images: int, captions: int, unknown: float, generator: np.random.Generator
    ) -> Iterator[Batch]:
        """Every image once, in random order, with some of its captions; a share of their pieces becomes [UNK]."""
        order = generator.permutation(len(self))
        for start in range(0, len(order) - images + 1, images):
            rows = order[start : start + images]
            chosen = [generator.permutation(len(self._tokens[row]))[:captions].tolist() for row in rows]
            batch = self._batch(rows, chosen, longest=LONGEST)
            hidden = torch.from_numpy(generator.random(tuple(batch.token_ids.shape)) < unknown)
            hidden &= batch.token_ids >= FIRST_PIECE
            yield replace(batch, token_ids=batch.token_ids.masked_fill(hidden, UNKNOWN))

    def in_order(self, *, images: int) -> Iterator[Batch]:
        """Every image with all of its captions."""
        for start in range(0, len(self), images):
            rows = np.arange(start, min(start + images, len(self)))
            yield self._batch(rows, [range(len(self._tokens[row])) for row in rows], longest=None)

    def _batch(self, rows: NDArray[np.int64], chosen: Sequence[Sequence[int]], *, longest: int | None) -> Batch:
        owners = [place for place, captions in enumerate(chosen) for _ in captions]
        tokens = [self._tokens[rows[place]][caption] for place, captions in enumerate(chosen) for caption in captions]
        ids, lengths = pad_ids([_shortened(one, longest) for one in tokens])
        return Batch(rows, ids, lengths, torch.tensor(owners))


def _shortened(tokens: Tokens, longest: int | None) -> Tokens:
    """At most `longest` pieces, the full stop and [SEP] kept at the end."""
    if longest is None or len(tokens.ids) <= longest:
        return tokens
    kept = [*range(longest - 2), len(tokens.ids) - 2, len(tokens.ids) - 1]
    return Tokens(
        tokens.text,
        tuple(tokens.ids[place] for place in kept),
        tuple(tokens.pieces[place] for place in kept),
        tuple(tokens.spans[place] for place in kept),
    )
