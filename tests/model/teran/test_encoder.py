"""A TERAN in use."""

import numpy as np
import pytest
import torch

from model.embeddings import Picture, Ragged
from model.errors import BadSentence
from model.scoring import align, score

SENTENCES = ["a dog", "two children play with a red ball on the grass .", "Running!", "dog"]


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    generator = np.random.default_rng(0)
    return [Picture(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8), 640, 480) for _ in range(3)]


def test_regions_are_unit_vectors_with_boxes(tiny_encoder, pictures):
    for image in tiny_encoder.encode_images(pictures):
        vectors = image.channels["regions"]
        assert vectors.shape == (36, 8)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(36))
        assert image.boxes.shape == (36, 4)


def test_an_encoding_does_not_depend_on_what_else_is_in_the_batch(tiny_encoder, pictures):
    for together, alone in zip(
        tiny_encoder.encode_sentences(SENTENCES),
        [tiny_encoder.encode_sentences([text])[0] for text in SENTENCES],
        strict=True,
    ):
        torch.testing.assert_close(together.channels["regions"], alone.channels["regions"], atol=1e-5, rtol=0)
        assert together.words == alone.words
    alone = tiny_encoder.encode_images(pictures[1:2])[0]
    torch.testing.assert_close(
        tiny_encoder.encode_images(pictures)[1].channels["regions"], alone.channels["regions"], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("text", SENTENCES)
def test_every_row_belongs_to_a_word_and_every_word_to_the_text(tiny_encoder, text):
    (sentence,) = tiny_encoder.encode_sentences([text])
    assert len(sentence.word_of_row) == len(sentence.channels["regions"])
    assert sorted(set(sentence.word_of_row.tolist())) == list(range(len(sentence.words)))
    assert all(text[word.start : word.end] == word.text for word in sentence.words)


@pytest.mark.parametrize("text", SENTENCES)
def test_contributions_sum_to_the_score(tiny_encoder, pictures, text):
    (sentence,) = tiny_encoder.encode_sentences([text])
    for image in tiny_encoder.encode_images(pictures):
        total = score(tiny_encoder.score_spec, {"regions": Ragged.of([image.channels["regions"]])}, sentence)
        answers = align(tiny_encoder.score_spec, image.channels, sentence)
        assert sum(answer.contribution for answer in answers) == pytest.approx(float(total[0]), abs=1e-5)


def test_a_bad_sentence_is_refused(tiny_encoder):
    with pytest.raises(BadSentence):
        tiny_encoder.encode_sentences(["a dog", ""])
