"""Batches of captions."""

import numpy as np
import pytest

from model.teran.tokenizer import Tokenizer
from model.training.captioned import CaptionedSet


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint) -> Tokenizer:
    return Tokenizer(tiny_checkpoint)


def test_a_batch_has_each_image_with_some_of_its_own_captions(tokenizer):
    captions = [(f"{word} dog .", f"{word} ball .", f"{word} shirt .") for word in ("a", "two", "red", "blue")]
    batch = CaptionedSet(captions, tokenizer).drawn(
        np.array([2, 0]), captions=2, unknown=0.0, generator=np.random.default_rng(0)
    )
    assert batch.owners.tolist() == [0, 0, 1, 1]
    first_words = [tokenizer(word, append_full_stop=True).ids[1] for word in ("red", "red", "a", "a")]
    assert batch.token_ids[:, 1].tolist() == first_words


def test_long_captions_are_shortened_before_their_full_stop(tokenizer):
    long = CaptionedSet([("dog " * 50,)], tokenizer, longest=28)
    batch = long.drawn(np.array([0]), captions=1, unknown=0.0, generator=np.random.default_rng(0))
    (whole,) = long.in_order(images=1)
    assert batch.token_ids.shape[1] == 28
    assert batch.token_ids[0, -2:].tolist() == whole.token_ids[0, -2:].tolist()
    assert whole.token_ids.shape[1] == 53


def test_without_a_full_stop_one_more_piece_is_kept(tokenizer):
    long = CaptionedSet([("a brown dog",)], tokenizer, append_full_stop=False, longest=4)
    batch = long.drawn(np.array([0]), captions=1, unknown=0.0, generator=np.random.default_rng(0))
    ids = tokenizer("a brown dog", append_full_stop=False).ids
    assert batch.token_ids[0].tolist() == [*ids[:3], ids[-1]]


def test_hidden_pieces_become_unknown_and_the_special_ones_stay(tokenizer):
    captions = CaptionedSet([("a brown dog .",)] * 2, tokenizer)
    batch = captions.drawn(np.array([0, 1]), captions=1, unknown=1.0, generator=np.random.default_rng(0))
    (plain,) = captions.in_order(images=2)
    assert (batch.token_ids[:, 1:-1] == tokenizer.unknown_id).all()
    assert batch.token_ids[:, [0, -1]].tolist() == plain.token_ids[:, [0, -1]].tolist()
