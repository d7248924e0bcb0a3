"""A sentence encoder that others trained tells what captions mean: it is a teacher, and no part of the model.

It knows which captions of a batch mean nearly the same, so that an image which a caption fits as well is no plain
mistake; and a pooled image, as a pooled caption, learns to tell where it would put them. Few captions go further so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from model.errors import BadRecipe
from model.training.captioned import Batch
from model.training.hardware import Arithmetic
from model.training.losses import soft_cross_entropy
from model.training.pictures import computed_once, digest
from model.training.text_encoders import place_of
from model.training.trainee import Rows

TOGETHER = 128  # captions that are encoded at once
LONGEST = 64  # pieces of them that are read


@dataclass(frozen=True, slots=True)
class SentenceTeacherConfig:
    model: str  # a folder, an installed package with a folder `model`, or a name on the hub; its tokens are averaged
    soft_targets: float = 0.3  # weight of its similarities of captions and images, as what scores should be like
    temperature: float = 0.1  # of these similarities
    likeness: float = 2.0  # weight of the cosine between its vectors and those that both sides foretell

    def __post_init__(self) -> None:
        if min(self.soft_targets, self.likeness) < 0 or not self.temperature > 0:
            raise ValueError("soft_targets and likeness must not be negative, temperature must be greater than 0")


class Lesson(NamedTuple):
    """What it says of a batch."""

    captions: Tensor  # [C, T], of length 1
    images: Tensor  # [N, T], of length 1: the direction of all captions of an image
    centre: Tensor  # [T], the mean of all images, which tells nothing

    def to(self, device: torch.device) -> "Lesson":
        return Lesson(*(tensor.to(device) for tensor in self))


class Guesses(NamedTuple):
    captions: Tensor  # [C, T]
    images: Tensor  # [N, T]


class Meanings:
    """Its vectors of all captions of a training."""

    def __init__(self, vectors: NDArray[np.float32], captions: Sequence[Sequence[str]]) -> None:
        """Vectors [sum of captions, T] of length 1, in the order of `captions` of each image."""
        self._starts = np.cumsum([0, *(len(own) for own in captions)])
        self._captions = torch.from_numpy(vectors)
        sums = np.add.reduceat(vectors, self._starts[:-1])  # [N, T]
        self._images = F.normalize(torch.from_numpy(sums), dim=1)
        self._centre = self._images.mean(dim=0)

    @property
    def width(self) -> int:
        return self._captions.shape[1]

    def lesson(self, batch: Batch) -> Lesson:
        return Lesson(self._captions[batch.captions(self._starts)], self._images[batch.rows], self._centre)


class Foretelling(nn.Module):
    """From the rows of both sides to the teacher's vectors. It is left behind when the training is done."""

    def __init__(self, width: int, meaning: int) -> None:
        super().__init__()
        self.caption = nn.Linear(width, meaning)
        self.image = nn.Linear(width, meaning)

    def forward(self, images: Rows, captions: Rows) -> Guesses:
        return Guesses(self.caption(_mean(captions)), self.image(_mean(images)))


def _mean(rows: Rows) -> Tensor:
    real = rows.real[..., None].to(rows.vectors.dtype)  # [N, R, 1]
    mean: Tensor = (rows.vectors * real).sum(dim=1) / real.sum(dim=1).clamp_min(1)
    return mean


def taught_loss(logits: Tensor, guesses: Guesses, lesson: Lesson, config: SentenceTeacherConfig) -> Tensor:
    """`logits` [N, C] of images and captions are what a softmax makes probabilities of."""
    loss = logits.new_zeros(())
    if config.soft_targets:
        similarities = (lesson.captions - lesson.centre) @ (lesson.images - lesson.centre).T  # [C, N]
        loss = loss + config.soft_targets * soft_cross_entropy(logits, similarities.T / config.temperature)
    if config.likeness:
        pairs = zip(guesses, (lesson.captions, lesson.images), strict=True)
        far = sum((1 - F.cosine_similarity(guess.float(), told, dim=1)).mean() for guess, told in pairs)
        loss = loss + config.likeness * far
    return loss


def ask_teacher(
    name: str, captions: Sequence[Sequence[str]], *, root: Path, folder: Path, arithmetic: Arithmetic
) -> Meanings:
    """Its vectors of `captions` of each image: computed once, and found in `folder` from then on."""
    every = [caption for own in captions for caption in own]
    place = place_of(name, root)
    try:
        teacher = AutoModel.from_pretrained(place).eval().to(arithmetic.device)
        tokenizer = AutoTokenizer.from_pretrained(place)
    except (OSError, ValueError) as error:
        raise BadRecipe(
            f"no sentence encoder {name!r}, neither a folder below {root}, nor an installed package, nor on the hub:"
            f" {str(error).splitlines()[0]}"
        ) from error

    def told() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(every), TOGETHER):
            encoded = tokenizer(
                every[start : start + TOGETHER], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            ).to(arithmetic.device)
            with torch.inference_mode(), arithmetic.autocast():
                tokens = teacher(**encoded).last_hidden_state.float()
            vectors = _mean(Rows(tokens, encoded["attention_mask"].bool()))
            yield F.normalize(vectors, dim=1).cpu().numpy()

    path = folder / f"meanings-{digest([name, arithmetic.kind, *every])}.npy"
    return Meanings(computed_once(path, (len(every), teacher.config.hidden_size), np.float32, told), captions)
