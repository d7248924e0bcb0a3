"""A HAT in use."""

from pathlib import Path

import pytest
import torch

from model.checkpoint import fingerprint
from model.cross_attention import CrossAttention, Direction
from model.embeddings import Picture, Ragged
from model.encoder import Encoder
from model.errors import BadCheckpoint, BadSentence
from model.hat.config import HatConfig
from model.hat.encoder import POOLED, HatEncoder, patch_boxes
from model.hat.network import Hat
from model.scoring import align, score, score_matrix
from model.teran.tokenizer import Tokenizer
from tests.hats import noise, tiny_encoder_of, tiny_hat
from tests.model.attention_by_hand import attention_by_hand

I2T, T2I = Direction.I2T, Direction.T2I
SENTENCES = ["a brown dog", "the man's red ball on the grass .", "Running!", "dog " * 30]
CASES = {
    "i2t": [(I2T,)],
    "t2i": [(T2I,)],
    "both directions of one network": [(I2T, T2I)],
    "an ensemble of two networks": [(I2T,), (T2I,)],
}


@pytest.fixture(scope="module", params=CASES)
def networks(request: pytest.FixtureRequest) -> list[Hat]:
    return [tiny_hat(*directions, seed=seed) for seed, directions in enumerate(CASES[request.param])]


@pytest.fixture(scope="module")
def encoder(networks: list[Hat], tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return tiny_encoder_of(tmp_path_factory.mktemp("hat"), networks)


def test_a_score_is_the_mean_over_directions_of_the_sums_over_levels(encoder: Encoder, networks: list[Hat]) -> None:
    images, sentences = encoder.encode_images(noise(3)), encoder.encode_sentences(SENTENCES)
    every = [(n, direction) for n, network in enumerate(networks) for direction in network.config.directions]
    channels = [[f"level{level}" + ("-2" if n else "") for level in (1, 2, 3)] for n, _ in every]

    def by_hand(image, sentence) -> float:
        pairs = [(c, CrossAttention(d, 9.0)) for own, (_, d) in zip(channels, every, strict=True) for c in own]
        return sum(attention_by_hand(image.channels[c], sentence.channels[c], k) for c, k in pairs) / len(every)

    expected = [[by_hand(image, sentence) for sentence in sentences] for image in images]
    assert score_matrix(encoder.score_spec, images, sentences).tolist() == [
        pytest.approx(e, abs=1e-5) for e in expected
    ]


def test_channels_are_what_the_encoder_says(encoder: Encoder) -> None:
    (image,), (sentence,) = encoder.encode_images(noise(1)), encoder.encode_sentences(["a brown dog"])
    widths = {name: rows.shape[1] for name, rows in image.channels.items()}
    assert widths == encoder.channel_widths == {name: rows.shape[1] for name, rows in sentence.channels.items()}
    assert [len(image.channels[f"level{level}"]) for level in (1, 2, 3)] == [64, 16, 4]
    assert len(sentence.channels["level1"]) == 5  # with [CLS] and [SEP]
    assert len(image.channels[POOLED]) == len(sentence.channels[POOLED]) == 1


def test_an_encoding_does_not_depend_on_what_else_is_in_the_batch(encoder: Encoder) -> None:
    pictures = noise(10)
    together = [*encoder.encode_images(pictures), *encoder.encode_sentences(SENTENCES)]
    alone = [encoder.encode_images([one])[0] for one in pictures]
    alone += [encoder.encode_sentences([one])[0] for one in SENTENCES]
    for one, other in zip(together, alone, strict=True):
        for name, rows in one.channels.items():
            torch.testing.assert_close(rows, other.channels[name], atol=1e-4, rtol=0)


@pytest.mark.parametrize("text", SENTENCES)
def test_contributions_sum_to_the_score(encoder: Encoder, text: str) -> None:
    (sentence,) = encoder.encode_sentences([text])
    for image in encoder.encode_images(noise(2)):
        candidates = {name: Ragged.of([rows]) for name, rows in image.channels.items()}
        answers = align(encoder.score_spec, image.channels, sentence)
        total = sum(answer.contribution for answer in answers)
        assert total == pytest.approx(score(encoder.score_spec, candidates, sentence).item(), abs=1e-5)
        assert all(0 <= answer.region < len(image.boxes) for answer in answers)


def test_every_word_is_a_part_of_the_text_and_the_last_is_all_of_it(encoder: Encoder) -> None:
    (sentence,) = encoder.encode_sentences(["The man's dog"])
    assert [word.text for word in sentence.words] == ["The", "man's", "dog", "The man's dog"]
    assert all(sentence.text[word.start : word.end] == word.text for word in sentence.words)
    assert sentence.word_of_row.tolist() == [3, 0, 1, 1, 1, 2, 3]


def test_a_long_sentence_is_cut_as_in_training(encoder: Encoder) -> None:
    long, cut = encoder.encode_sentences(["dog " * 30, "dog " * 10])
    assert torch.equal(long.channels["level3"], cut.channels["level3"])
    assert len(long.words) == len(cut.words) == 11


@pytest.mark.parametrize("text", ["", "...", " \t"])
def test_a_sentence_without_words_is_refused(encoder: Encoder, text: str) -> None:
    with pytest.raises(BadSentence):
        encoder.encode_sentences(["a dog", text])


def test_the_boxes_of_patches_lie_in_what_was_kept_of_the_photograph(encoder: Encoder) -> None:
    (image,) = encoder.encode_images([Picture(noise(1)[0].pixels, width=200, height=100)])
    boxes = image.boxes[:84]  # 8 x 8, 4 x 4 and 2 x 2 patches; 64 of 146 x 73 pixels are kept
    assert boxes.amin(dim=0)[:2].tolist() == pytest.approx([41 / 146, 4 / 73])
    assert boxes.amax(dim=0)[2:].tolist() == pytest.approx([105 / 146, 68 / 73])
    whole = patch_boxes(64)
    assert whole[9].tolist() == [1 / 8, 1 / 8, 2 / 8, 2 / 8]  # row-major
    assert [float(area) for area in (whole[:, 2:] - whole[:, :2]).prod(dim=1).split([64, 16, 4])[2]] == [1 / 4] * 4


def test_published_sizes_look_at_the_published_square() -> None:
    assert (HatConfig().framing.side, HatConfig().framing.shorter_side) == (224, 256)


def test_networks_that_see_different_things_make_no_ensemble(tmp_path: Path) -> None:
    one, other = tiny_hat(I2T), tiny_hat(T2I)
    encoder = tiny_encoder_of(tmp_path, [one])
    object.__setattr__(other.config, "longest_sentence", 9)
    with pytest.raises(BadCheckpoint, match="the same pictures"):
        HatEncoder([one, other], Tokenizer(tmp_path / "hat"), name="", fingerprint=encoder.fingerprint)


def test_the_fingerprint_is_that_of_the_folder(tmp_path: Path) -> None:
    assert tiny_encoder_of(tmp_path, [tiny_hat(I2T)]).fingerprint == fingerprint(tmp_path / "hat")
