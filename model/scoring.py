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

from model.cross_attention import CrossAttention, Direction, cross_attention, pair_up
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


Kernel = MaxSim | CrossAttention


@dataclass(frozen=True, slots=True)
class Term:
    channel: str
    kernel: Kernel
    weight: float = 1.0  # a term of weight 0 takes no part in the score: its channel only helps to find candidates


@dataclass(frozen=True, slots=True)
class ScoreSpec:
    """All that an index knows of a system of encoders, beside the fingerprint of its weights.

    The channel of the first term is the one by which candidates are found.
    """

    terms: tuple[Term, ...]

    @property
    def counting_terms(self) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if term.weight)

    def to_json(self) -> list[dict[str, object]]:
        return [{"channel": term.channel, "weight": term.weight} | _kernel_to_json(term.kernel) for term in self.terms]

    @classmethod
    def from_json(cls, terms: Sequence[Mapping[str, object]]) -> "ScoreSpec":
        return cls(
            tuple(Term(str(term["channel"]), _kernel_from_json(term), float(str(term["weight"]))) for term in terms)
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
    for term in spec.counting_terms:
        regions, real_regions = candidates[term.channel].padded()  # [K, R, D]
        words = sentence.channels[term.channel][None]  # [1, W, D]
        real_words = torch.ones(words.shape[:2], dtype=torch.bool, device=words.device)
        terms.append(term.weight * _compare(term.kernel, regions, real_regions, words, real_words)[:, 0])
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
    for term in spec.counting_terms:
        regions_of = [image.channels[term.channel] for image in images]
        words_of = [sentence.channels[term.channel] for sentence in sentences]
        for rows in _blocks_of_like_length(regions_of, padding):
            regions, real_regions = Ragged.of([regions_of[row] for row in rows]).padded()
            for columns in _blocks_of_like_length(words_of, padding):
                words, real_words = Ragged.of([words_of[column] for column in columns]).padded()
                scores = _compare(term.kernel, regions, real_regions, words, real_words, padding)  # [rows, columns]
                total[torch.tensor(rows)[:, None], torch.tensor(columns)] += term.weight * scores
    return total


def _compare(
    kernel: Kernel,
    regions: Tensor,
    real_regions: Tensor,
    words: Tensor,
    real_words: Tensor,
    padding: Padding = Padding.EXACT,
) -> Tensor:
    """Padded sets by the kernel of a term, [N, C]."""
    match kernel:
        case MaxSim(pooling):
            return maxsim(regions, real_regions, words, real_words, pooling=pooling, padding=padding)
        case CrossAttention():
            return cross_attention(regions, real_regions, words, real_words, kernel=kernel)


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

    `image` holds the channels of one image; its regions are the rows of those that count, one channel after the other
    as the spec first names them. Pieces of one word are added up. A word is answered by the region of which it has its
    greatest share; where there is attention, by the one that it, or that attends to it, most. Raises NoExplanation.
    """
    if not sentence.words:
        raise NoExplanation(
            "this model makes one vector of the whole sentence, so no word has a region: ask without an explanation"
        )
    pairs: dict[str, Tensor] = {}
    for term in spec.counting_terms:
        of_term = _pairs(term, image[term.channel], sentence.channels[term.channel])
        pairs[term.channel] = pairs.get(term.channel, 0.0) + of_term
    shares, telling, similarity = torch.cat(list(pairs.values()), dim=1)  # [R of all channels, W] each
    answers = []
    for number in range(len(sentence.words)):
        pieces = sentence.word_of_row == number
        by_region = shares[:, pieces].sum(dim=1)  # [R]
        # A word that no region chose has no share; the region nearest to it is still worth showing.
        chosen_by = telling[:, pieces].sum(dim=1).abs() if bool(by_region.any()) else similarity[:, pieces].sum(dim=1)
        answers.append(Answer(number, region=int(chosen_by.argmax()), contribution=float(by_region.sum())))
    return answers


def _pairs(term: Term, regions: Tensor, words: Tensor) -> Tensor:
    """Shares of the score, what tells an answer and similarities of regions [R, D] and words [W, D], [3, R, W]."""
    similarity = regions @ words.T
    match term.kernel:
        case MaxSim(pooling):
            shares = telling = contributions(similarity, words, pooling=pooling)
        case CrossAttention():
            all_regions, all_words = (torch.ones(1, len(rows), dtype=torch.bool) for rows in (regions, words))
            pairs = pair_up(regions[None], all_regions, words[None], all_words, kernel=term.kernel)
            shares, telling = pairs.shares[0, :, 0], pairs.attention[0, :, 0]
    return torch.stack([term.weight * shares, term.weight * telling, similarity])


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


def _blocks_of_like_length(items: Sequence[Tensor], padding: Padding) -> list[list[int]]:
    """Places in blocks of like length, so that little is computed for padding; padded forms need them all at once."""
    if padding is not Padding.EXACT:
        return [list(range(len(items)))]
    order = sorted(range(len(items)), key=lambda place: len(items[place]))
    return [order[start : start + 256] for start in range(0, len(order), 256)]


def _kernel_to_json(kernel: Kernel) -> dict[str, object]:
    match kernel:
        case MaxSim(pooling):
            return {"kernel": "maxsim", "pooling": str(pooling)}
        case CrossAttention(direction, lambda_softmax):
            return {"kernel": "cross_attention", "direction": str(direction), "lambda": lambda_softmax}


def _kernel_from_json(term: Mapping[str, object]) -> Kernel:
    if term["kernel"] == "cross_attention":
        return CrossAttention(Direction(str(term["direction"])), float(str(term["lambda"])))
    return MaxSim(Pooling(str(term["pooling"])))
