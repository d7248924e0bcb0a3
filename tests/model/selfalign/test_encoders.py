"""CAMERA and VSRN in use."""

from pathlib import Path

import pytest
import torch

from model.embeddings import Ragged
from model.encoder import Encoder
from model.errors import BadSentence, NoExplanation, NoRegions
from model.scoring import align, score
from model.selfalign.camera_encoder import CameraEncoder
from model.selfalign.vsrn_encoder import VsrnEncoder
from model.selfalign.word_pieces import WordPieces
from tests.selfalign import WORDS, camera, regions, vsrn, write_pieces

SENTENCES = ["a red dog runs .", "two balls", "dog"]
LONG = "a red dog runs . " * 3


@pytest.fixture(params=["camera", "vsrn"])
def encoder(request, tmp_path) -> Encoder:
    if request.param == "vsrn":
        return VsrnEncoder(vsrn(), WORDS, None, name="tiny", fingerprint="1")
    return camera_encoder(tmp_path)


def camera_encoder(folder: Path, **switches: object) -> CameraEncoder:
    return CameraEncoder(camera(**switches), WordPieces(write_pieces(folder)), None, name="tiny", fingerprint="1")


def test_channels_are_as_wide_as_they_say(encoder):
    (image,), (sentence,) = encoder.encode_features(regions(5)), encoder.encode_sentences(["a dog"])
    assert [term.channel for term in encoder.score_spec.terms] == list(encoder.channel_widths)
    for channel, width in encoder.channel_widths.items():
        assert image.channels[channel].shape[1] == width and sentence.channels[channel].shape == (1, width)


def test_an_encoding_does_not_depend_on_what_else_is_in_the_batch(encoder):
    some = regions(5, 3, 5)
    together = encoder.encode_features(some) + encoder.encode_sentences(SENTENCES)
    alone = [encoder.encode_sentences([text])[0] for text in SENTENCES]
    for row, count in enumerate((5, 3, 5)):
        (one,) = encoder.encode_features(regions_of_row(some, row, count))
        torch.testing.assert_close(together[row].boxes, one.boxes)
        alone.insert(row, one)
    for first, second in zip(together, alone, strict=True):
        torch.testing.assert_close(dict(first.channels), dict(second.channels), atol=1e-6, rtol=1e-5)


def test_the_score_of_camera_is_the_best_view_and_the_crossed_contexts(tmp_path):
    encoder, some = camera_encoder(tmp_path), regions(5)
    (image,), (sentence,) = encoder.encode_features(some), encoder.encode_sentences(["a red dog"])
    found = score(encoder.score_spec, {name: Ragged.of([rows]) for name, rows in image.channels.items()}, sentence)
    with torch.inference_mode():
        views = camera().image_side(some.features, some.boxes, some.sizes)
    own, fused, local = sentence.channels["views"][0].split(8)
    best_view = max(float(view @ own) for view in views.views[0])
    crossed = float(views.context.local[0].mean(dim=0) @ fused + views.context.fused[0] @ local)
    assert float(found[0]) == pytest.approx(best_view + 0.5 * crossed, abs=1e-6)


def test_an_explanation_is_declined(encoder):
    (image,), (sentence,) = encoder.encode_features(regions(5)), encoder.encode_sentences(["a dog"])
    with pytest.raises(NoExplanation, match="without an explanation"):
        align(encoder.score_spec, image.channels, sentence)


def test_pictures_need_features_that_were_found_elsewhere(encoder):
    with pytest.raises(NoRegions, match=r"--features.*bu_att/dog.npz"):
        encoder.encode_images([])


@pytest.mark.parametrize(("text", "told"), [("", "no words"), (" ... ", "no words"), ("dog " * 1000, "shorten it")])
def test_a_bad_sentence_is_refused(encoder, text, told):
    with pytest.raises(BadSentence, match=told):
        encoder.encode_sentences(["a dog", text])


def test_a_long_sentence_is_refused_and_as_published_cut(tmp_path):
    with pytest.raises(BadSentence, match="at most 8"):
        camera_encoder(tmp_path).encode_sentences([LONG])
    published = camera_encoder(tmp_path, cut_long_sentences=True)
    (long,), (cut,) = published.encode_sentences([LONG]), published.encode_sentences(["a red dog runs . a red dog"])
    assert torch.equal(long.channels["views"], cut.channels["views"])


def regions_of_row(some, row: int, count: int):
    parts = (some.features[:, :count], some.boxes[:, :count], some.counts, some.sizes)
    return type(some)(*(part[row : row + 1] for part in parts))
