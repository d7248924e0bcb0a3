"""Published checkpoints: what is in them is loaded strictly, and nothing of it is run."""

import argparse
import os
import pickle
from pathlib import Path

import pytest
import torch

from model.checkpoint import load_encoder
from model.errors import BadCheckpoint, NoRegions
from model.teran.config import BertSizes, TeranConfig
from model.teran.network import Teran
from model.teran.published import import_published, load_published_weights, published_config, read_published

BERT = BertSizes(vocabulary=20, width=8, layers=1, heads=2, feedforward=16, positions=32)
CONFIG = {
    "text-model": {"pretrain": "tiny-bert", "extraction-hidden-layer": 1, "layers": 0},
    "image-model": {"feat-dim": 8, "transformer-layers": 1, "pos-encoding": "project-and-sum"},
    "model": {
        "embed-size": 8, "layers": 1, "dropout": 0.1, "shared-transformer": True, "text-aggregation": "first",
        "image-aggregation": "first", "exclude-stopwords": False,
    },
    "training": {"alignment-mode": "MrSw"},
}  # fmt: skip


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """Under the published names, and with those that every published file has and no model uses."""
    own = Teran(published_config(CONFIG, bert=BERT)).state_dict()
    names = {
        "sentence_side.bert.": "txt_enc.bert_model.",
        "sentence_side.projection.": "cap_proj.",
        "image_side.box_encoding.": "img_enc.pos_encoding_image.",
        "image_side.transformer.": "img_enc.transformer_encoder.",
        "image_side.projection.": "img_proj.",
        "sentence_joint.": "transformer_encoder_1.",
    }
    published = {
        "img_txt_enc." + theirs + key.removeprefix(ours): value
        for key, value in own.items()
        for ours, theirs in names.items()
        if key.startswith(ours)
    }
    return published | {
        "img_txt_enc.img_enc.fc.weight": torch.zeros(8, 8),
        "img_txt_enc.txt_enc.map.bias": torch.zeros(8),
    }


def save(path: Path, weights: dict[str, torch.Tensor], **more: object) -> Path:
    content = {"model": weights, "config": CONFIG, "opt": argparse.Namespace(lr=1e-5), "epoch": 3} | more
    torch.save(content, path)
    return path


def test_a_checkpoint_becomes_a_folder_of_our_own(weights, tmp_path, tiny_checkpoint):
    bert = tmp_path / "bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "dog"]))
    (bert / "config.json").write_text(
        '{"model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16,'
        ' "max_position_embeddings": 32}'
    )
    checkpoint = save(tmp_path / "best.pth.tar", weights)
    import_published(checkpoint, tmp_path / "imported", bert=bert)
    encoder = load_encoder(str(tmp_path / "imported"))
    (sentence,) = encoder.encode_sentences(["a dog"])
    assert sentence.channels["regions"].shape == (2, 8)
    with pytest.raises(NoRegions, match="region features"):
        encoder.encode_images([])


def test_what_is_pickled_beside_the_weights_is_not_run(weights, tmp_path):
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/was-run",)

    path = save(tmp_path / "evil.pth.tar", weights, scheduler=Payload())
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
    path = save(tmp_path / "best.pth.tar", weights)
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


def test_a_configuration_survives_json():
    config = published_config(CONFIG, bert=BERT, stopwords=("a",))
    assert TeranConfig.from_json(config.to_json()) == config
    with pytest.raises(BadCheckpoint):
        TeranConfig.from_json({"embedding_width": 8})
