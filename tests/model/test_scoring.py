"""The fast scores against the obvious ones."""

import pytest
import torch
import torch.nn.functional as F

from model.cross_attention import CrossAttention, Direction
from model.embeddings import ImageEmbedding, Ragged, SentenceEmbedding, Word
from model.scoring import MaxSim, Pooling, ScoreSpec, Term, align, score, score_matrix

D = 8


def unit(rows: int, generator: torch.Generator) -> torch.Tensor:
    return F.normalize(torch.randn(rows, D, generator=generator), dim=1)


def sentence(rows: int, generator: torch.Generator, *, pieces_of_first: int = 1) -> SentenceEmbedding:
    """The first `pieces_of_first` rows are pieces of one word."""
    word_of_row = torch.tensor([max(0, row - pieces_of_first + 1) for row in range(rows)])
    words = tuple(Word(f"w{n}", 3 * n, 3 * n + 2) for n in range(int(word_of_row.max()) + 1))
    return SentenceEmbedding("", {"regions": unit(rows, generator)}, words, word_of_row)


def obvious(regions: torch.Tensor, words: torch.Tensor, pooling: Pooling) -> float:
    a = regions @ words.T
    best_regions, best_words = float(a.max(dim=0).values.sum()), float(a.max(dim=1).values.sum())
    if pooling is Pooling.SCAN_SENTENCES:
        total = 0.0
        normalised = F.normalize(a.relu(), dim=0, eps=1e-12)
        for region, weights in zip(regions, normalised.softmax(dim=1), strict=True):
            total += float(F.cosine_similarity(region, weights @ words, dim=0))
        return total
    return {
        Pooling.MR_SW: best_regions,
        Pooling.MW_SR: best_words,
        Pooling.SYMM: best_regions + best_words,
        Pooling.MR_AVG_W: best_regions / len(words),
        Pooling.SUM: float(a.sum()),
        Pooling.MEAN: float(a.mean()),
    }[pooling]


def spec(pooling: Pooling) -> ScoreSpec:
    return ScoreSpec((Term("regions", MaxSim(pooling)),))


@pytest.mark.parametrize("pooling", Pooling)
@pytest.mark.parametrize("counts", [(3, 3, 3), (1, 5, 2)])
def test_a_score_is_that_of_the_pair_alone_whatever_else_is_in_the_batch(pooling, counts):
    generator = torch.Generator().manual_seed(1)
    images = [unit(count, generator) for count in counts]
    query = sentence(4, generator)
    expected = [obvious(image, query.channels["regions"], pooling) for image in images]
    got = score(spec(pooling), {"regions": Ragged.of(images)}, query)
    assert got.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("pooling", Pooling)
def test_a_matrix_holds_the_score_of_every_pair(pooling):
    generator = torch.Generator().manual_seed(2)
    images = [ImageEmbedding({"regions": unit(n, generator)}, torch.zeros(n, 4)) for n in (4, 1, 6)]
    sentences = [sentence(n, generator) for n in (5, 1, 3, 2)]
    matrix = score_matrix(spec(pooling), images, sentences)
    expected = [[obvious(i.channels["regions"], s.channels["regions"], pooling) for s in sentences] for i in images]
    assert matrix.tolist() == [pytest.approx(row, abs=1e-5) for row in expected]


def test_terms_are_weighed_and_added():
    generator = torch.Generator().manual_seed(3)
    image, query = unit(3, generator), sentence(2, generator)
    both = ScoreSpec((Term("regions", MaxSim(Pooling.SUM), 0.5), Term("regions", MaxSim(Pooling.MR_SW), 2.0)))
    words = query.channels["regions"]
    expected = 0.5 * obvious(image, words, Pooling.SUM) + 2 * obvious(image, words, Pooling.MR_SW)
    assert float(score(both, {"regions": Ragged.of([image])}, query)[0]) == pytest.approx(expected, abs=1e-5)


def test_no_candidates_have_no_scores():
    nothing = {"regions": Ragged(torch.empty(0, D), torch.empty(0, dtype=torch.long))}
    assert score(spec(Pooling.MR_SW), nothing, sentence(2, torch.Generator().manual_seed(0))).tolist() == []


def test_a_spec_survives_json():
    both = ScoreSpec((Term("regions", MaxSim(Pooling.SYMM)), Term("context", CrossAttention(Direction.T2I, 4.0), 0.25)))
    assert ScoreSpec.from_json(both.to_json()) == both


@pytest.mark.parametrize("pooling", Pooling)
def test_the_shares_of_the_words_sum_to_the_score(pooling):
    generator = torch.Generator().manual_seed(4)
    image, query = unit(6, generator), sentence(5, generator, pieces_of_first=2)
    answers = align(spec(pooling), {"regions": image}, query)
    total = float(score(spec(pooling), {"regions": Ragged.of([image])}, query)[0])
    assert len(answers) == 4
    assert sum(answer.contribution for answer in answers) == pytest.approx(total, abs=1e-5)


def test_a_word_is_answered_by_its_nearest_region_also_when_all_are_far():
    regions = torch.tensor([[-1.0, 0.0], [0.0, -1.0]])
    words = torch.tensor([[0.8, 0.6]])
    query = SentenceEmbedding("far", {"regions": words}, (Word("far", 0, 3),), torch.tensor([0]))
    (answer,) = align(spec(Pooling.MR_SW), {"regions": regions}, query)
    assert (answer.region, answer.contribution) == (1, pytest.approx(-0.6))


def test_a_word_that_no_region_chose_shows_its_nearest_region_and_no_share():
    regions = torch.tensor([[1.0, 0.0], [0.9, 0.1]])
    words = (Word("a", 0, 1), Word("b", 2, 3))
    query = SentenceEmbedding("a b", {"regions": torch.eye(2)}, words, torch.tensor([0, 1]))
    answers = align(spec(Pooling.MW_SR), {"regions": regions}, query)
    assert (answers[1].region, answers[1].contribution) == (1, 0.0)


def test_a_term_without_weight_takes_no_part():
    generator = torch.Generator().manual_seed(5)
    image, query = unit(3, generator), sentence(2, generator)
    with_finder = ScoreSpec((Term("finder", MaxSim(), weight=0.0), *spec(Pooling.MR_SW).terms))
    expected = obvious(image, query.channels["regions"], Pooling.MR_SW)
    assert score(with_finder, {"regions": Ragged.of([image])}, query).tolist() == pytest.approx([expected], abs=1e-5)
    assert sum(answer.contribution for answer in align(with_finder, {"regions": image}, query)) == pytest.approx(
        expected
    )


def test_regions_of_several_channels_are_counted_one_channel_after_the_other():
    words, query = torch.eye(2), sentence(2, torch.Generator().manual_seed(0))
    channels = {"fine": words, "coarse": words}
    query = SentenceEmbedding("", channels, query.words, query.word_of_row)
    image = {"fine": torch.tensor([[0.6, 0.0], [0.1, 0.5]]), "coarse": torch.tensor([[0.0, 0.9]])}
    both = ScoreSpec((Term("fine", MaxSim()), Term("coarse", MaxSim()), Term("fine", MaxSim(), 0.5)))
    answers = align(both, image, query)
    assert [answer.region for answer in answers] == [0, 2]
    assert [answer.contribution for answer in answers] == pytest.approx([1.5 * 0.6, 1.5 * 0.5 + 0.9])


@pytest.mark.parametrize("direction", Direction)
def test_a_word_is_answered_by_the_region_that_is_bound_to_it_by_attention(direction):
    regions, words = torch.tensor([[9.0, 0.1], [0.1, 2.0], [1.0, 1.0]]), torch.eye(2)
    query = SentenceEmbedding("a b", {"regions": words}, (Word("a", 0, 1), Word("b", 2, 3)), torch.tensor([0, 1]))
    answers = align(ScoreSpec((Term("regions", CrossAttention(direction)),)), {"regions": regions}, query)
    assert [answer.region for answer in answers] == [0, 1]
