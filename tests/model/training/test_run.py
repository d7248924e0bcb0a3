"""From a recipe to a checkpoint, on pictures and on published features; every kind of data."""

import json
import shutil
import threading
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from model.checkpoint import WEIGHTS, load_encoder, read_config
from model.errors import BadRecipe
from model.regions.mobilenet import MobileNetV2, MobileNetV2Config
from model.training.beginning import begin
from model.training.distil import Student
from model.training.log import read_log
from model.training.recipe import Recipe, read_recipe
from model.training.run import Places, train_recipe

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
DISTILLED = f"""
[model]
vocabulary_size = 120
pretrained = "begun.onnx"
teran = {{ feature_width = 12, {SIZES}, bert = {BERT} }}
windows = {{ feature_width = 12, picture_side = 64, convnet = {{ kind = "mobilenetv2" }} }}
[[stages]]
kind = "distil"
name = "distil"
teacher = "teacher.onnx"
side = 32
images = 4
optimization = {{ epochs = 1, lr = 1e-2, warmup_steps = 1 }}
"""
IMAGE_SIDE = "trainee.teran.image_side.projection.weight"
SENTENCE_SIDE = "trainee.teran.sentence_side.projection.weight"


def recipe(folder: Path, *parts: str) -> Recipe:
    (folder / "recipe.toml").write_text('name = "small"\n' + "\n".join(parts))
    return read_recipe(folder / "recipe.toml")


def last_weights(folder: Path, stage: str) -> dict[str, torch.Tensor]:
    """Of the last step."""
    weights: dict[str, torch.Tensor] = torch.load(folder / "work" / stage / "last.pt", weights_only=True)["module"]
    return weights


def train(described: Recipe, folder: Path, *, stopping: threading.Event | None = None) -> bool:
    places = Places(root=folder, work=folder / "work", output=folder / "work" / "checkpoint")
    return train_recipe(described, places, device="cpu", watch=lambda _: None, stopping=stopping or threading.Event())


PICTURES = '[data]\ncaptions = "captions.jsonl"\nimages = "pictures"\nheld_out = 0.3\n'


def test_pictures_are_trained_on_first_stored_and_then_fresh(captioned):
    stages = STAGE.format(name="sides", more='views = "stored"') + STAGE.format(name="whole", more="convnet_lr = 1e-3")
    described = recipe(captioned, PICTURES, WINDOWS, stages)
    assert train(described, captioned)
    stem = [last_weights(captioned, name)["trainee.regions.convnet.stem.weight"] for name in ("sides", "whole")]
    assert not torch.equal(stem[0], stem[1])
    encoder = load_encoder(str(captioned / "work" / "checkpoint"))
    assert encoder.name == "small" and encoder.encode_sentences(["a dog"])
    assert train(described, captioned)


def tutored(folder: Path, start: Path, tutor: Path | None) -> Recipe:
    more = 'views = "stored"' + (f'\ntutor = {{ model = "{tutor}" }}' if tutor is not None else "")
    return recipe(folder, PICTURES, f'[model]\nstart = "{start}"', STAGE.format(name="sides", more=more))


def test_a_tutor_changes_what_is_learned(captioned, tiny_checkpoint, other_checkpoint):
    learned, losses = [], []
    for tutor in (None, other_checkpoint):
        assert train(tutored(captioned, tiny_checkpoint, tutor), captioned)
        learned.append(last_weights(captioned, "sides"))
        losses.append(float(read_log(captioned / "work" / "sides")[-1]["loss"]))
        shutil.rmtree(captioned / "work" / "sides")
    assert losses[1] > losses[0] + 1
    for name in (IMAGE_SIDE, SENTENCE_SIDE):
        assert not torch.equal(learned[0][name], learned[1][name])
    assert load_encoder(str(captioned / "work" / "checkpoint")).encode_sentences(["a dog"])


@pytest.mark.parametrize("only", ["soft_targets = 0.0", "likeness = 0.0"])
def test_a_sentence_encoder_as_a_teacher_changes_what_is_learned(captioned, tiny_checkpoint, teacher, only):
    learned = []
    for more in ("", f'teacher = {{ model = "teacher", {only} }}'):
        stage = STAGE.format(name="sides", more=more)
        assert train(recipe(captioned, PICTURES, f'[model]\nstart = "{tiny_checkpoint}"', stage), captioned)
        learned.append(last_weights(captioned, "sides"))
        shutil.rmtree(captioned / "work" / "sides")
    for name in (IMAGE_SIDE, SENTENCE_SIDE):
        assert not torch.equal(learned[0][name], learned[1][name])
    assert set(load_file(captioned / "work" / "checkpoint" / WEIGHTS)) == set(load_file(tiny_checkpoint / WEIGHTS))


def test_a_run_does_not_go_on_with_a_tutor_that_was_changed(captioned, tiny_checkpoint, other_checkpoint):
    shutil.copytree(other_checkpoint, captioned / "tutor")
    described = tutored(captioned, tiny_checkpoint, captioned / "tutor")
    assert train(described, captioned)
    shutil.copytree(tiny_checkpoint, captioned / "tutor", dirs_exist_ok=True)
    with pytest.raises(BadRecipe, match="begun"):
        train(described, captioned)


def test_training_goes_on_from_a_checkpoint(captioned, tiny_checkpoint):
    described = recipe(captioned, PICTURES, f'[model]\nstart = "{tiny_checkpoint}"', STAGE.format(name="more", more=""))
    begin(described, (), root=captioned, text=captioned).save(captioned / "begun", name="", dtype=torch.float32)
    begun, given = (load_file(folder / WEIGHTS) for folder in (captioned / "begun", tiny_checkpoint))
    assert begun.keys() == given.keys() and all(torch.equal(begun[key], given[key]) for key in given)
    assert train(described, captioned)
    assert read_config(captioned / "work" / "checkpoint")["teran"] == read_config(tiny_checkpoint)["teran"]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_weights_of_the_checkpoint_are_of_the_type_that_the_recipe_names(captioned, tiny_checkpoint, dtype):
    described = recipe(
        captioned,
        f'dtype = "{dtype}"',
        PICTURES,
        f'[model]\nstart = "{tiny_checkpoint}"',
        STAGE.format(name="more", more=""),
    )
    assert train(described, captioned)
    weights = load_file(captioned / "work" / "checkpoint" / WEIGHTS).values()
    assert {str(weight.dtype) for weight in weights if weight.is_floating_point()} == {f"torch.{dtype}"}
    assert load_encoder(str(captioned / "work" / "checkpoint")).encode_sentences(["a dog"])


def test_what_was_distilled_is_in_the_checkpoint(captioned):
    write_onnx(captioned / "teacher.onnx", std=0.1)
    write_onnx(captioned / "begun.onnx", std=1.0)
    assert train(recipe(captioned, PICTURES, DISTILLED, STAGE.format(name="sides", more='views = "stored"')), captioned)
    distances = [float(row["distance"]) for row in read_log(captioned / "work" / "distil")]
    assert distances[-1] == min(distances) < distances[0] - 1
    network = MobileNetV2(MobileNetV2Config())
    student = Student(network)
    student.load_state_dict(torch.load(captioned / "work" / "distil" / "best.pt", weights_only=True))
    student.fill(network)
    finished = load_file(captioned / "work" / "checkpoint" / WEIGHTS)
    for name, weight in network.state_dict().items():
        assert torch.equal(finished[f"regions.convnet.{name}"], weight)


def test_a_stage_that_cannot_run_is_refused_before_the_first(captioned):
    second = STAGE.format(name="second", more="").replace("images = 4", "images = 400")
    described = recipe(captioned, PICTURES, WINDOWS, STAGE.format(name="first", more="convnet_lr = 1e-3"), second)
    with pytest.raises(BadRecipe, match=r"stage second: the \d+ images to train on are no batch of 400"):
        train(described, captioned)
    assert not (captioned / "work" / "first").exists()


def test_a_long_caption_is_cut_in_training_and_refused_where_it_validates(captioned):
    lines = [json.loads(line) for line in (captioned / "captions.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["split"] = "val" if number % 3 == 0 else "train"
    parts = (PICTURES + 'validation = "val"\n', WINDOWS, STAGE.format(name="sides", more="convnet_lr = 1e-3"))
    for longer, refused in ((1, False), (0, True)):
        shutil.rmtree(captioned / "work", ignore_errors=True)
        told = [line | ({"captions": ["dog " * 100]} if number == longer else {}) for number, line in enumerate(lines)]
        (captioned / "captions.jsonl").write_text("\n".join(map(json.dumps, told)))
        with pytest.raises(BadRecipe, match="shorten it") if refused else nullcontext():
            assert train(recipe(captioned, *parts), captioned)


def write_onnx(path: Path, *, std: float) -> None:
    """The convolutions of a random MobileNetV2, as a deployed file has them."""
    onnx = pytest.importorskip("onnx")
    torch.manual_seed(0)
    nodes, weights = [], []
    for number, convolution in enumerate(MobileNetV2(MobileNetV2Config()).convolutions()):
        torch.nn.init.normal_(convolution.weight, std=std)
        names = [f"weight{number}", f"bias{number}"]
        nodes.append(onnx.helper.make_node("Conv", [f"x{number}", *names], [f"x{number + 1}"]))
        values = [value.detach().numpy() for value in (convolution.weight, convolution.bias)]
        weights += map(onnx.numpy_helper.from_array, values, names)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "network", [], [], weights)), str(path))


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
