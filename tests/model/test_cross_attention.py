"""Cross attention in its small form against the formula as it is written."""

import pytest
import torch

from model.cross_attention import CrossAttention, Direction, cross_attention, pair_up, pooled
from tests.model.attention_by_hand import attention_by_hand

D = 6


def some(*counts: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, D, generator=generator, dtype=torch.float64) for count in counts]


def padded(items: list[torch.Tensor], *, padding: float) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.nn.utils.rnn.pad_sequence(items, batch_first=True, padding_value=padding)
    return rows, torch.arange(rows.shape[1]) < torch.tensor([len(item) for item in items])[:, None]


@pytest.fixture(params=Direction)
def kernel(request: pytest.FixtureRequest) -> CrossAttention:
    return CrossAttention(request.param, lambda_softmax=9.0)


@pytest.mark.parametrize("padding", [0.0, 7.0, torch.nan])
def test_every_pair_is_scored_as_if_it_were_alone(kernel: CrossAttention, padding: float) -> None:
    images, sentences = some(5, 1, 8, seed=0), some(4, 1, 3, 7, seed=1)
    scores = cross_attention(*padded(images, padding=padding), *padded(sentences, padding=padding), kernel=kernel)
    expected = [[attention_by_hand(image, words, kernel) for words in sentences] for image in images]
    assert scores.tolist() == [pytest.approx(row, abs=1e-10) for row in expected]


def test_small_blocks_give_the_same(kernel: CrossAttention, monkeypatch: pytest.MonkeyPatch) -> None:
    items = *padded(some(5, 1, 8, seed=2), padding=0.0), *padded(some(4, 2, seed=3), padding=0.0)
    whole = cross_attention(*items, kernel=kernel)
    monkeypatch.setattr("model.cross_attention.BLOCK", 1)
    torch.testing.assert_close(cross_attention(*items, kernel=kernel), whole)


def test_the_shares_of_the_pairs_sum_to_the_score(kernel: CrossAttention) -> None:
    items = *padded(some(5, 2, seed=4), padding=0.0), *padded(some(4, 1, seed=5), padding=0.0)
    shares = pair_up(*items, kernel=kernel).shares
    torch.testing.assert_close(shares.sum(dim=(1, 3)), cross_attention(*items, kernel=kernel))
    assert bool((shares[1, 2:] == 0).all()) and bool((shares[:, :, 1, 1:] == 0).all())  # padding has none


def test_attention_is_spread_over_what_is_there(kernel: CrossAttention) -> None:
    items = *padded(some(5, 2, seed=8), padding=0.0), *padded(some(4, 1, seed=9), padding=0.0)
    attention = pair_up(*items, kernel=kernel).attention
    over_words = kernel.direction is Direction.I2T
    spread = attention[1, :2, 1] if over_words else attention[1, :, 1, :1].T
    assert spread.sum(dim=1).tolist() == pytest.approx([1.0] * len(spread))
    assert spread[:, 1 if over_words else 2 :].tolist() == [[0.0] * 3] * len(spread)


def test_evenly_spread_attention_is_an_inner_product(kernel: CrossAttention) -> None:
    even = CrossAttention(kernel.direction, lambda_softmax=0.0)
    (regions,), (words,) = some(9, seed=6), some(5, seed=7)
    attends = kernel.direction is Direction.I2T
    product = pooled(regions, attending=attends) @ pooled(words, attending=not attends)
    assert float(product) == pytest.approx(attention_by_hand(regions, words, even), abs=1e-10)


def test_vectors_without_length_score_nothing_and_have_gradients(kernel: CrossAttention) -> None:
    regions, words = torch.zeros(1, 3, D, requires_grad=True), torch.zeros(1, 2, D, requires_grad=True)
    real = torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool)
    total = cross_attention(regions, real[0], words, real[1], kernel=kernel).sum()
    total.backward()
    assert total.item() == 0.0
    assert all(bool(x.grad is not None and x.grad.isfinite().all()) for x in (regions, words))


def test_no_images_have_no_scores(kernel: CrossAttention) -> None:
    nothing = torch.empty(0, 0, D), torch.empty(0, 0, dtype=torch.bool)
    words = torch.ones(2, 3, D), torch.ones(2, 3, dtype=torch.bool)
    assert cross_attention(*nothing, *words, kernel=kernel).shape == (0, 2)
