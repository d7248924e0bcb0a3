"""Published checkpoints: what is in them is loaded strictly, and nothing of it is run."""

import os
import pickle
from dataclasses import replace

import pytest
import torch

from model.checkpoint import load_encoder
from model.errors import BadCheckpoint, NoRegions
from model.teran.config import TeranConfig
from model.teran.network import Teran
from model.teran.published import import_published, load_published_weights, published_config, read_published
from tests.published import BERT, CONFIG, published_weights, save_published, write_bert


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return published_weights()


def test_a_checkpoint_becomes_a_folder_of_our_own(weights, tmp_path, tiny_checkpoint):
    checkpoint = save_published(tmp_path / "best.pth.tar", weights)
    import_published(checkpoint, tmp_path / "imported", bert=write_bert(tmp_path / "bert"))
    encoder = load_encoder(str(tmp_path / "imported"))
    (sentence,) = encoder.encode_sentences(["a dog"])
    assert sentence.channels["regions"].shape == (2, 8)
    with pytest.raises(NoRegions, match="region features"):
        encoder.encode_images([])


def test_what_is_pickled_beside_the_weights_is_not_run(weights, tmp_path):
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/was-run",)

    path = save_published(tmp_path / "evil.pth.tar", weights, scheduler=Payload())
    with pytest.raises(BadCheckpoint, match="more than weights and settings"):
        read_published(path)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"model": {}})])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "some.pth.tar"
    path.write_bytes(content)
    with pytest.raises(BadCheckpoint):
        read_published(path)


def test_half_a_file_is_refused(weights, tmp_path):
    path = save_published(tmp_path / "best.pth.tar", weights)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadCheckpoint, match="not a whole checkpoint"):
        read_published(path)


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(BadCheckpoint, match="does not exist"):
        read_published(tmp_path / "none.pth.tar")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda w: w.pop("img_txt_enc.cap_proj.bias"), "1 missing .*projection.bias"),
        (lambda w: w.update({"img_txt_enc.cap_proj.bias": torch.zeros(9)}), "1 of another shape"),
        (lambda w: w.update({"img_txt_enc.typo.bias": torch.zeros(9)}), "not those of a published TERAN.*typo"),
        (lambda w: w.update({"cap_proj.bias": torch.zeros(8)}), "not those of a published TERAN"),
    ],
)
def test_weights_must_fit_to_the_last_name(weights, change, told):
    network = Teran(published_config(CONFIG, bert=BERT))
    change(weights)
    with pytest.raises(BadCheckpoint, match=told):
        load_published_weights(network, weights)


def test_an_incomplete_configuration_is_refused():
    with pytest.raises(BadCheckpoint, match="not a published TERAN configuration"):
        published_config({"model": {}}, bert=BERT)


def test_stop_words_that_a_checkpoint_left_out_must_be_named():
    config = CONFIG | {"model": CONFIG["model"] | {"exclude-stopwords": True}}
    with pytest.raises(BadCheckpoint, match="name them"):
        published_config(config, bert=BERT)
    assert published_config(config, bert=BERT, stopwords=("a",)).stopwords == ("a",)


def test_a_configuration_survives_json():
    config = replace(published_config(CONFIG, bert=BERT), stopwords=("a",))
    assert TeranConfig.from_json(config.to_json()) == config
    with pytest.raises(BadCheckpoint):
        TeranConfig.from_json({"embedding_width": 8})
