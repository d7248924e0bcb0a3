"""The retrieval protocol on one set of captioned images: every caption against every image, both ways."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from model.batches import in_batches
from model.embeddings import ImageEmbedding, Picture, SentenceEmbedding
from model.encoder import Encoder
from model.evaluation.ranks import (
    Metrics,
    Owners,
    Ranks,
    Scores,
    image_to_text_ranks,
    metrics,
    rsum,
    text_to_image_ranks,
)
from model.scoring import score_matrix

SCORED_AT_ONCE = 256  # images


@dataclass(frozen=True, slots=True)
class Report:
    t2i_ranks: Ranks
    i2t_ranks: Ranks

    @property
    def t2i(self) -> Metrics:
        return metrics(self.t2i_ranks)

    @property
    def i2t(self) -> Metrics:
        return metrics(self.i2t_ranks)

    @property
    def images(self) -> int:
        return len(self.i2t_ranks)

    @property
    def captions(self) -> int:
        return len(self.t2i_ranks)

    def to_json(self) -> dict[str, Any]:
        return {
            "t2i": asdict(self.t2i),
            "i2t": asdict(self.i2t),
            "rsum": rsum(self.t2i, self.i2t),
            "images": self.images,
            "captions": self.captions,
        }


def evaluate_encoder(encoder: Encoder, pictures: Iterable[Picture], captions: Sequence[Sequence[str]]) -> Report:
    """`captions` of each of the pictures, in their order (Messina et al., TOMM 2021, section 5; one fold)."""
    return report_of(*score_everything(encoder, pictures, captions))


def report_of(scores: Scores, owners: Owners) -> Report:
    return Report(text_to_image_ranks(scores, owners), image_to_text_ranks(scores, owners))


def score_everything(
    encoder: Encoder, pictures: Iterable[Picture], captions: Sequence[Sequence[str]]
) -> tuple[Scores, Owners]:
    """Every picture with every caption.

    No more than a few pictures are in memory at once, and of their vectors no more than of SCORED_AT_ONCE of them.
    """
    return score_encoded(encoder, encode_pictures(encoder, pictures), captions)


def score_encoded(
    encoder: Encoder, images: Iterable[ImageEmbedding], captions: Sequence[Sequence[str]]
) -> tuple[Scores, Owners]:
    """Every image that was encoded already with every caption."""
    sentences = list(encode_captions(encoder, [text for own in captions for text in own]))
    batches = in_batches(images, SCORED_AT_ONCE)
    scores = np.concatenate([score_matrix(encoder.score_spec, some, sentences).numpy() for some in batches])
    owners = np.repeat(np.arange(len(scores)), [len(own) for own in captions])
    return scores, owners


def encode_pictures(encoder: Encoder, pictures: Iterable[Picture], *, batch: int = 32) -> Iterator[ImageEmbedding]:
    for some in in_batches(pictures, batch):
        yield from encoder.encode_images(some)


def encode_captions(encoder: Encoder, captions: Iterable[str], *, batch: int = 128) -> Iterator[SentenceEmbedding]:
    for some in in_batches(captions, batch):
        yield from encoder.encode_sentences(some)
