"""Published checkpoints: what is in them is loaded strictly, and nothing of it is run."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import load_encoder
from model.cross_attention import Direction
from model.errors import BadCheckpoint
from model.hat.config import HatConfig
from model.hat.published import import_published, is_published, load_published_weights, published_config, read_published
from tests import published as teran
from tests.hats import noise, published_weights, save_published, tiny_encoder_of, tiny_hat, write_bert


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return published_weights(tiny_hat(Direction.I2T))


def test_an_imported_checkpoint_gives_the_vectors_of_its_weights(weights, tmp_path) -> None:
    checkpoint = save_published(tmp_path / "best.ckpt", weights)
    own = tiny_encoder_of(tmp_path, [tiny_hat(Direction.I2T)])
    import_published([checkpoint], tmp_path / "imported", bert=tmp_path / "bert")
    imported = load_encoder(str(tmp_path / "imported"))
    assert (imported.name, imported.score_spec) == ("best", own.score_spec)
    for ours, theirs in zip(own.encode_images(noise(2)), imported.encode_images(noise(2)), strict=True):
        assert all(torch.equal(rows, theirs.channels[name]) for name, rows in ours.channels.items())
    assert torch.equal(*(one.encode_sentences(["a dog"])[0].channels["level2"] for one in (own, imported)))


def test_two_checkpoints_become_an_ensemble(weights, tmp_path) -> None:
    bert = write_bert(tmp_path / "bert")
    paths = [save_published(tmp_path / f"{name}.ckpt", weights) for name in ("one", "other")]
    import_published(paths, tmp_path / "imported", bert=bert)
    encoder = load_encoder(str(tmp_path / "imported"))
    assert encoder.name == "one+other"
    assert sum(term.weight for term in encoder.score_spec.terms) == pytest.approx(3)


def test_a_vocabulary_that_the_network_does_not_know_is_refused(weights, tmp_path) -> None:
    bert = write_bert(tmp_path / "bert")
    (bert / "vocab.txt").write_text((bert / "vocab.txt").read_text() + "\nfrisbee")
    with pytest.raises(BadCheckpoint, match="20 pieces, the network knows 19"):
        import_published([save_published(tmp_path / "best.ckpt", weights)], tmp_path / "imported", bert=bert)
    assert not (tmp_path / "imported").exists()


class Callback:
    """Its class stands in the checkpoint by name."""


class Payload:
    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


def test_classes_that_are_not_known_are_survived(weights, tmp_path) -> None:
    more = {
        "callbacks": {Callback: {"best": torch.ones(())}},
        "loops": Payload(Callback, [1]),
    }
    published = read_published(save_published(tmp_path / "best.ckpt", weights, **more))
    assert published.config["direction"] == "i2t"
    assert torch.equal(published.weights["vit_model.norm.bias"], weights["vit_model.norm.bias"])


@pytest.mark.parametrize("function", [os.system, eval, exec, os.mkdir])
def test_what_is_pickled_beside_the_weights_is_not_run(weights, tmp_path, function) -> None:
    evil = {os.system: f"touch {tmp_path}/was-run", os.mkdir: f"{tmp_path}/was-run"}
    argument = evil.get(function, f"open({str(tmp_path / 'was-run')!r}, 'w')")
    path = save_published(tmp_path / "evil.ckpt", weights, loops=Payload(function, argument))
    try:
        assert read_published(path).config["lambda_softmax"] == 9
    except BadCheckpoint as error:
        assert "more than weights and settings" in str(error)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content) -> None:
    path = tmp_path / "some.ckpt"
    path.write_bytes(content)
    assert not is_published(path)
    with pytest.raises(BadCheckpoint, match=r"some\.ckpt"):
        read_published(path)


def test_half_a_file_is_refused(weights, tmp_path) -> None:
    path = save_published(tmp_path / "best.ckpt", weights)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadCheckpoint, match="not a whole checkpoint"):
        read_published(path)


def test_a_file_that_is_not_there_is_said_so(tmp_path) -> None:
    with pytest.raises(BadCheckpoint, match="does not exist"):
        read_published(tmp_path / "none.ckpt")


def test_a_checkpoint_of_another_system_is_told_from_its_names(weights, tmp_path) -> None:
    other = teran.save_published(tmp_path / "best.pth.tar", teran.published_weights())
    assert is_published(save_published(tmp_path / "best.ckpt", weights)) and not is_published(other)
    assert not is_published(tmp_path / "none.ckpt")
    with pytest.raises(BadCheckpoint, match="not a HAT checkpoint"):
        read_published(other)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda w: w.pop("vit_model.norm_2.bias"), "1 missing .*norms.1.bias"),
        (lambda w: w.pop("vit_model.layers.1.blocks.1.attn.qkv.weight"), "3 missing"),
        (lambda w: w.update({"vit_model.norm.bias": torch.zeros(9)}), "1 of another shape"),
        (lambda w: w.update({"vit_model.layers.1.blocks.1.attn.qkv.bias": torch.zeros(1)}), "3 of another shape"),
        (lambda w: w.update({"vit_model.typo": torch.zeros(9)}), "typo is not a name"),
        (lambda w: w.update({"text_transformer.typo": torch.zeros(9)}), "1 unknown"),
        (lambda w: w["vit_model.norm.bias"].fill_(torch.nan), "not finite"),
    ],
)
def test_weights_must_fit_to_the_last_name(weights, change, told) -> None:
    change(weights)
    with pytest.raises(BadCheckpoint, match=told):
        load_published_weights(tiny_hat(Direction.I2T), weights)


@pytest.mark.parametrize("name", ["vit_model.patch_embed.norm.weight", "cross_modal_text_transform.weight"])
def test_a_file_without_the_weights_that_tell_its_sizes_is_refused(weights, tmp_path, name) -> None:
    del weights[name]
    published = read_published(save_published(tmp_path / "best.ckpt", weights))
    with pytest.raises(BadCheckpoint, match="not a published HAT"):
        published_config(published, text_heads=2)


def test_a_configuration_survives_json() -> None:
    config = replace(tiny_hat(Direction.T2I).config, directions=(Direction.T2I, Direction.I2T))
    assert HatConfig.from_json(config.to_json()) == config
    for broken in ({}, {"swin": None}, config.to_json() | {"directions": ["up"]}, config.to_json() | {"more": 1}):
        with pytest.raises(BadCheckpoint, match="not a HAT configuration"):
            HatConfig.from_json(broken)


def test_a_folder_without_sizes_of_bert_has_its_usual_heads(weights, tmp_path) -> None:
    bert = write_bert(tmp_path / "bert")
    Path(bert / "config.json").unlink()
    import_published([save_published(tmp_path / "best.ckpt", weights)], tmp_path / "imported", bert=bert)
    assert '"heads": 1' in (tmp_path / "imported" / "config.json").read_text()
