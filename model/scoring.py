"""The score of an image for a sentence, and which region answered which word: the only place where they meet.

A score is a sum of terms; a term compares one channel of the image with the channel of the same name of the sentence.
Scores are defined on unpadded items and accumulated in float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
import torch.nn.functional as F
from torch import Tensor

from model.embeddings import ImageEmbedding, Ragged, SentenceEmbedding
from model.errors import NoExplanation

MATRIX_BLOCK = 2**24  # numbers of the similarity matrix held at once when whole sets are compared


class Pooling(StrEnum):
    """How the matrix of region-word cosines becomes one number (Messina et al., TOMM 2021, section 4)."""

    MR_SW = "MrSw"  # best region for every word, summed over words: ColBERT's MaxSim
    MW_SR = "MwSr"  # best word for every region, summed over regions
    SYMM = "symm"  # both, added
    MR_AVG_W = "MrAVGw"  # MrSw divided by the number of words
    SUM = "sum"
    MEAN = "mean"
    SCAN_SENTENCES = "scan-sentences"  # every region against its attended sentence (Lee et al., ECCV 2018)


class Padding(StrEnum):
    EXACT = "exact"  # every pair as if it were alone
    BATCH = "batch"  # as published in training: zeros of padding take part in the maxima
    REFERENCE = "reference"  # as published in evaluation: zeros up to 36 regions and 85 words


REFERENCE_REGIONS, REFERENCE_WORDS = 36, 85
MAXIMA = (Pooling.MR_SW, Pooling.MW_SR, Pooling.SYMM, Pooling.MR_AVG_W)


@dataclass(frozen=True, slots=True)
class MaxSim:
    """A kernel: cosines of all rows of the image with all rows of the sentence, pooled."""

    pooling: Pooling = Pooling.MR_SW


@dataclass(frozen=True, slots=True)
class Term:
    channel: str
    kernel: MaxSim
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ScoreSpec:
    """All that an index knows of a system of encoders, beside the fingerprint of its weights."""

    terms: tuple[Term, ...]

    def to_json(self) -> list[dict[str, object]]:
        return [
            {"channel": term.channel, "kernel": "maxsim", "pooling": str(term.kernel.pooling), "weight": term.weight}
            for term in self.terms
        ]

    @classmethod
    def from_json(cls, terms: Sequence[Mapping[str, object]]) -> "ScoreSpec":
        return cls(
            tuple(
                Term(str(term["channel"]), MaxSim(Pooling(str(term["pooling"]))), float(str(term["weight"])))
                for term in terms
            )
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What one word found in one image."""

    word: int  # place in SentenceEmbedding.words
    region: int  # row of the image's region channel
    contribution: float  # the word's share of the score; the shares of all words sum to the score


def score(spec: ScoreSpec, candidates: Mapping[str, Ragged], sentence: SentenceEmbedding) -> Tensor:
    """The exact score of K candidate images for one sentence, [K] float32."""
    terms = []
    for term in spec.terms:
        regions, real_regions = candidates[term.channel].padded()  # [K, R, D]
        words = sentence.channels[term.channel][None]  # [1, W, D]
        real_words = torch.ones(words.shape[:2], dtype=torch.bool, device=words.device)
        terms.append(term.weight * maxsim(regions, real_regions, words, real_words, pooling=term.kernel.pooling)[:, 0])
    return torch.stack(terms).sum(dim=0)


def score_matrix(
    spec: ScoreSpec,
    images: Sequence[ImageEmbedding],
    sentences: Sequence[SentenceEmbedding],
    *,
    padding: Padding = Padding.EXACT,
) -> Tensor:
    """All images against all sentences, [N, C] float32."""
    total = torch.zeros(len(images), len(sentences))
    for term in spec.terms:
        regions, real_regions = Ragged.of([image.channels[term.channel] for image in images]).padded()
        lengths = [len(sentence.channels[term.channel]) for sentence in sentences]
        for columns in _blocks_of_like_length(lengths, padding):
            some = Ragged.of([sentences[column].channels[term.channel] for column in columns])
            scores = maxsim(
                regions, real_regions, *some.padded(), pooling=term.kernel.pooling, padding=padding
            )  # [N, columns]
            total[:, columns] += term.weight * scores
    return total


def maxsim(
    regions: Tensor,
    real_regions: Tensor,
    words: Tensor,
    real_words: Tensor,
    *,
    pooling: Pooling,
    padding: Padding = Padding.EXACT,
) -> Tensor:
    """Pooled cosines of padded sets: regions [N, R, D] and words [C, W, D] with masks [N, R] and [C, W] -> [N, C]."""
    (n, r, _), (c, w, _) = regions.shape, words.shape
    block = max(1, MATRIX_BLOCK // max(1, r * c * w))
    flat_words = words.flatten(0, 1).T  # [D, C * W]
    parts = [torch.empty(0, c, device=regions.device)]
    for start in range(0, n, block):
        some = regions[start : start + block]
        similarity = (some.flatten(0, 1) @ flat_words).view(len(some), r, c, w).transpose(1, 2)  # [n, C, R, W]
        parts.append(pool(similarity, real_regions[start : start + block], words, real_words, pooling, padding))
    return torch.cat(parts)


def pool(
    similarity: Tensor, real_regions: Tensor, words: Tensor, real_words: Tensor, pooling: Pooling, padding: Padding
) -> Tensor:
    """[N, C, R, W] cosines -> [N, C]; masks [N, R] and [C, W]; `words` [C, W, D] matters to scan-sentences alone."""
    real = real_regions[:, None, :, None] & real_words[None, :, None, :]  # [N, C, R, W]
    exact = padding is Padding.EXACT
    if not bool(real_regions.all() & real_words.all()):
        # In a padded maximum a zero of padding stands for a cosine, unless it is put out of reach.
        outside = -torch.inf if exact and pooling in MAXIMA else 0.0
        similarity = similarity.masked_fill(~real, outside)
    if padding is Padding.REFERENCE and pooling is not Pooling.SCAN_SENTENCES:
        words_short = max(0, REFERENCE_WORDS - similarity.shape[3])
        regions_short = max(0, REFERENCE_REGIONS - similarity.shape[2])
        similarity = F.pad(similarity, (0, words_short, 0, regions_short))
    match pooling:
        case Pooling.MR_SW:
            return _sum_of_best(similarity, dim=2)
        case Pooling.MW_SR:
            return _sum_of_best(similarity, dim=3)
        case Pooling.SYMM:
            return _sum_of_best(similarity, dim=2) + _sum_of_best(similarity, dim=3)
        case Pooling.MR_AVG_W:
            return _sum_of_best(similarity, dim=2) / real_words.sum(dim=1)
        case Pooling.SUM:
            return similarity.sum(dim=(2, 3))
        case Pooling.MEAN:
            pairs = real.sum(dim=(2, 3)) if exact else similarity.shape[2] * similarity.shape[3]
            return similarity.sum(dim=(2, 3)) / pairs
        case Pooling.SCAN_SENTENCES:
            return _scan_sentences(similarity, real_regions, words, real_words)


def align(spec: ScoreSpec, image: Mapping[str, Tensor], sentence: SentenceEmbedding) -> list[Answer]:
    """For every word the region that answered it and its share of the score, in the order of the words.

    `image` holds the channels of one image. Pieces of one word are added up. Raises NoExplanation.
    """
    if not sentence.words:
        raise NoExplanation(
            "this model makes one vector of the whole sentence, so no word has a region: ask without an explanation"
        )
    (term,) = spec.terms
    regions, words = image[term.channel], sentence.channels[term.channel]  # [R, D], [W, D]
    similarity = regions @ words.T  # [R, W]
    shares = term.weight * contributions(similarity, words, pooling=term.kernel.pooling)  # [R, W]
    answers = []
    for number in range(len(sentence.words)):
        pieces = sentence.word_of_row == number
        by_region = shares[:, pieces].sum(dim=1)  # [R]
        # A word that no region chose has no share; the region nearest to it is still worth showing.
        telling = by_region.abs() if bool(by_region.any()) else similarity[:, pieces].sum(dim=1)
        answers.append(Answer(number, region=int(telling.argmax()), contribution=float(by_region.sum())))
    return answers


def contributions(similarity: Tensor, words: Tensor, *, pooling: Pooling) -> Tensor:
    """The share of every region-word pair in the score of one image, [R, W]; its sum is the score."""
    best_region = torch.zeros_like(similarity).scatter(0, similarity.argmax(dim=0, keepdim=True), 1.0) * similarity
    best_word = torch.zeros_like(similarity).scatter(1, similarity.argmax(dim=1, keepdim=True), 1.0) * similarity
    match pooling:
        case Pooling.MR_SW:
            return best_region
        case Pooling.MW_SR:
            return best_word
        case Pooling.SYMM:
            return best_region + best_word
        case Pooling.MR_AVG_W:
            return best_region / similarity.shape[1]
        case Pooling.SUM:
            return similarity
        case Pooling.MEAN:
            return similarity / similarity.numel()
        case Pooling.SCAN_SENTENCES:
            attention = _scan_attention(similarity, torch.ones(similarity.shape[1], dtype=torch.bool))
            shares: Tensor = attention * similarity / (attention @ words).norm(dim=1, keepdim=True)
            return shares


def _sum_of_best(similarity: Tensor, *, dim: int) -> Tensor:
    """Maxima over dimension 2 or 3 of [N, C, R, W], summed over the other; one over padding alone adds nothing."""
    best = similarity.amax(dim=dim)
    return best.masked_fill(best == -torch.inf, 0.0).sum(dim=2)


def _scan_sentences(similarity: Tensor, real_regions: Tensor, words: Tensor, real_words: Tensor) -> Tensor:
    attention = _scan_attention(similarity, real_words[:, None, :])  # [N, C, R, W]
    attended = torch.einsum("ncrw,cwd->ncrd", attention, words)  # [N, C, R, D]
    # Region vectors have length one, so the cosine needs only the length of the attended sentence.
    cosines = (attention * similarity).sum(dim=3) / attended.norm(dim=3).clamp_min(1e-12)  # [N, C, R]
    total: Tensor = (cosines * real_regions[:, None, :]).sum(dim=2)
    return total


def _scan_attention(similarity: Tensor, real_words: Tensor) -> Tensor:
    """Softmax over the words of the positive cosines, each word's first brought to length one over the regions."""
    positive = F.normalize(similarity.clamp_min(0.0), dim=-2, eps=1e-12)
    attention: Tensor = positive.masked_fill(~real_words, -torch.inf).softmax(dim=-1)
    return attention


def _blocks_of_like_length(lengths: Sequence[int], padding: Padding) -> list[list[int]]:
    """Columns in blocks of like length, so that little is computed for padding; padded forms need them all at once."""
    if padding is not Padding.EXACT:
        return [list(range(len(lengths)))]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + 256] for start in range(0, len(order), 256)]
