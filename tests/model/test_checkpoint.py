"""Checkpoint folders: what is written is what is read, and nothing that only looks like it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from model.checkpoint import BUNDLED, CONFIG, VOCABULARY, WEIGHTS, fingerprint, load_encoder
from model.embeddings import Picture
from model.errors import BadCheckpoint


@pytest.fixture
def copy(tiny_checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def test_two_loads_give_the_same_vectors(tiny_checkpoint, tiny_encoder):
    again = load_encoder(str(tiny_checkpoint))
    (one,), (other,) = (encoder.encode_sentences(["a brown dog"]) for encoder in (tiny_encoder, again))
    assert torch.equal(one.channels["regions"], other.channels["regions"])
    assert again.fingerprint == tiny_encoder.fingerprint


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS, VOCABULARY])
def test_a_change_of_any_file_is_another_fingerprint(copy, file):
    before = fingerprint(copy)
    (copy / file).write_bytes((copy / file).read_bytes() + b" ")
    assert fingerprint(copy) != before


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS, VOCABULARY])
def test_a_folder_without_one_of_its_files_is_refused(copy, file):
    (copy / file).unlink()
    with pytest.raises(BadCheckpoint, match="copy"):
        load_encoder(str(copy))


def test_damaged_weights_are_refused(copy):
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        load_encoder(str(copy))


def test_weights_that_are_not_finite_are_refused(copy):
    weights = load_file(copy / WEIGHTS)
    weights["teran.image_side.projection.bias"][0] = torch.nan
    save_file(weights, copy / WEIGHTS)
    with pytest.raises(BadCheckpoint, match="not finite"):
        load_encoder(str(copy))


def test_missing_and_unknown_weights_are_named(copy):
    weights = load_file(copy / WEIGHTS)
    weights["extra"] = weights.pop("teran.image_side.projection.bias")
    save_file(weights, copy / WEIGHTS)
    with pytest.raises(BadCheckpoint, match=r"1 missing \(teran.image_side.projection.bias\); 1 unknown \(extra\)"):
        load_encoder(str(copy))


def test_another_format_is_refused(copy):
    config = json.loads((copy / CONFIG).read_text()) | {"format": 99}
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(BadCheckpoint, match="format 99"):
        load_encoder(str(copy))


@pytest.mark.parametrize("missing", ["teran", "regions", "name"])
def test_a_configuration_that_lacks_something_is_told(tiny_checkpoint, tmp_path, missing):
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "lacking"))
    config = json.loads((folder / "config.json").read_text())
    del config[missing]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadCheckpoint, match=f"config.json says nothing of '{missing}'"):
        load_encoder(str(folder))
    (folder / "config.json").write_text("[]")
    with pytest.raises(BadCheckpoint, match="not an object"):
        load_encoder(str(folder))


def test_the_bundled_model_is_loaded_by_default_and_is_small():
    encoder = load_encoder()
    assert encoder.fingerprint == fingerprint(BUNDLED)
    assert sum(file.stat().st_size for file in BUNDLED.iterdir()) < 40 * 2**20
    (image,) = encoder.encode_images([Picture(np.zeros((224, 224, 3), np.uint8), 640, 480)])
    assert image.channels["regions"].shape == (36, encoder.channel_widths["regions"])
