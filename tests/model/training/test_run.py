"""From a recipe to a checkpoint, on pictures and on published features; every kind of data."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from model.checkpoint import load_encoder, read_config
from model.errors import BadRecipe
from model.training.log import read_log
from model.training.recipe import Recipe, read_recipe
from model.training.run import Places, train_recipe
from tests.photographs import write_photographs

SIZES = "embedding_width = 8, image_layers = 1, joint_layers = 1, heads = 2, feedforward = 16"
BERT = "{ width = 16, layers = 1, heads = 2, feedforward = 32, positions = 64 }"
WINDOWS = f"""
[model]
vocabulary_size = 120
teran = {{ feature_width = 12, {SIZES}, bert = {BERT} }}
windows = {{ feature_width = 12, picture_side = 64, convnet = {{ width = 0.125, last_width = 8 }} }}
"""
STAGE = """
[[stages]]
kind = "align"
name = "{name}"
images = 4
captions = 1
{more}
optimization = {{ epochs = 1, lr = 1e-3, warmup_steps = 1 }}
"""


def recipe(folder: Path, *parts: str) -> Recipe:
    (folder / "recipe.toml").write_text('name = "small"\n' + "\n".join(parts))
    return read_recipe(folder / "recipe.toml")


def train(described: Recipe, folder: Path, *, stopping: threading.Event | None = None) -> bool:
    places = Places(root=folder, work=folder / "work", output=folder / "work" / "checkpoint")
    return train_recipe(described, places, device="cpu", watch=lambda _: None, stopping=stopping or threading.Event())


@pytest.fixture
def captioned(tmp_path) -> Path:
    lines = [{"image": path.name, "captions": [f"a dog number {path.stem} ."]} for path in _pictures(tmp_path)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def _pictures(folder: Path) -> list[Path]:
    return write_photographs(folder / "pictures", range(16))


PICTURES = '[data]\ncaptions = "captions.jsonl"\nimages = "pictures"\nheld_out = 0.3\n'


def test_pictures_are_trained_on_first_stored_and_then_fresh(captioned):
    stages = STAGE.format(name="sides", more='views = "stored"') + STAGE.format(name="whole", more="convnet_lr = 1e-3")
    described = recipe(captioned, PICTURES, WINDOWS, stages)
    assert train(described, captioned)
    weights = [torch.load(captioned / "work" / name / "last.pt", weights_only=True) for name in ("sides", "whole")]
    stem = [one["module"]["trainee.regions.convnet.stem.weight"] for one in weights]
    assert not torch.equal(stem[0], stem[1])
    encoder = load_encoder(str(captioned / "work" / "checkpoint"))
    assert encoder.name == "small" and encoder.encode_sentences(["a dog"])
    assert train(described, captioned)


def tutored(folder: Path, start: Path, tutor: Path | None) -> Recipe:
    more = 'views = "stored"' + (f'\ntutor = {{ model = "{tutor}" }}' if tutor is not None else "")
    return recipe(folder, PICTURES, f'[model]\nstart = "{start}"', STAGE.format(name="sides", more=more))


def test_a_tutor_changes_what_is_learned(captioned, tiny_checkpoint, other_checkpoint):
    losses = []
    for tutor in (None, other_checkpoint):
        assert train(tutored(captioned, tiny_checkpoint, tutor), captioned)
        losses.append(float(read_log(captioned / "work" / "sides")[-1]["loss"]))
        shutil.rmtree(captioned / "work" / "sides")
    assert losses[1] > losses[0] + 1
    assert load_encoder(str(captioned / "work" / "checkpoint")).encode_sentences(["a dog"])


def test_a_run_does_not_go_on_with_a_tutor_that_was_changed(captioned, tiny_checkpoint, other_checkpoint):
    shutil.copytree(other_checkpoint, captioned / "tutor")
    described = tutored(captioned, tiny_checkpoint, captioned / "tutor")
    assert train(described, captioned)
    shutil.copytree(tiny_checkpoint, captioned / "tutor", dirs_exist_ok=True)
    with pytest.raises(BadRecipe, match="begun"):
        train(described, captioned)


def test_training_goes_on_from_a_checkpoint(captioned, tiny_checkpoint):
    described = recipe(captioned, PICTURES, f'[model]\nstart = "{tiny_checkpoint}"', STAGE.format(name="more", more=""))
    assert train(described, captioned)
    assert read_config(captioned / "work" / "checkpoint")["teran"] == read_config(tiny_checkpoint)["teran"]


def test_a_stopped_training_says_so_and_goes_on(captioned):
    stopping = threading.Event()
    stopping.set()
    described = recipe(captioned, PICTURES, WINDOWS, STAGE.format(name="sides", more=""))
    assert not train(described, captioned, stopping=stopping)
    assert not (captioned / "work" / "checkpoint").exists()
    assert train(described, captioned)


def test_published_features_are_trained_on(tmp_path):
    write_features(tmp_path / "features", range(8))
    lines = [
        {"image": f"{number}.jpg", "captions": ["a dog ."], "width": 640, "height": 480, "split": split}
        for number, split in enumerate(["train"] * 6 + ["val"] * 2)
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    data = '[data]\ncaptions = "captions.jsonl"\nfeatures = "features"\nvalidation = "val"\n'
    model = f"[model]\nvocabulary_size = 120\nteran = {{ feature_width = 12, {SIZES}, bert = {BERT} }}\n"
    assert train(recipe(tmp_path, data, model, STAGE.format(name="align", more="")), tmp_path)
    assert read_config(tmp_path / "work" / "checkpoint")["regions"] is None


def write_features(folder: Path, numbers: range) -> None:
    generator = np.random.default_rng(0)
    (folder / "bu_att").mkdir(parents=True)
    (folder / "bu_box").mkdir()
    for number in numbers:
        regions = 3 + number % 2
        np.savez(folder / "bu_att" / f"{number}.npz", feat=generator.random((regions, 12), dtype=np.float32))
        np.save(folder / "bu_box" / f"{number}.npy", generator.random((regions, 4), dtype=np.float32) * 100)


def test_features_and_windows_together_are_refused(captioned):
    data = '[data]\ncaptions = "captions.jsonl"\nimages = "pictures"\nheld_out = 0.3\n'
    model = f"[model]\nvocabulary_size = 120\nteran = {{ feature_width = 12, {SIZES}, bert = {BERT} }}\n"
    with pytest.raises(BadRecipe, match=r"model\.windows must say"):
        train(recipe(captioned, data, model, STAGE.format(name="align", more="")), captioned)
