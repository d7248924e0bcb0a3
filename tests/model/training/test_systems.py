"""From a recipe to a checkpoint of HAT, and of SelfAlign on CAMERA and on VSRN."""

import json
import threading
from pathlib import Path
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, SwinConfig, SwinModel

from model.checkpoint import WEIGHTS, load_encoder, read_config
from model.errors import BadFeatures, BadRecipe
from model.training.beginning import begin
from model.training.data import read_training_data
from model.training.loop import Progress
from model.training.recipe import Recipe, read_recipe
from model.training.run import Places, train_recipe
from tests.photographs import write_photographs
from tests.selfalign import WIDTH, write_features, write_pieces

COUNT = 16
BERT = "{ width = 16, layers = 3, heads = 2, feedforward = 16, positions = 64 }"
WIDTHS = f"feature_width = {WIDTH}, embedding_width = 8"
SWIN = "{ width = 8, depths = [1, 1, 1, 1], heads = [1, 2, 2, 4], window = 2 }"
MODELS = {
    "hat": f"vocabulary_size = 120\nhat = {{ width = 8, text_layers = [1, 2, 3], swin = {SWIN}, bert = {BERT} }}",
    "camera": f"vocabulary_size = 120\ncamera = {{ {WIDTHS}, heads = 2, bert = {BERT} }}",
    "vsrn": f"least_count = 2\nvsrn = {{ {WIDTHS}, word_width = 6 }}",
}
SELFALIGN = 'kind = "selfalign"\nimages = 4\nprototypes = 5\ncaptioner = { hidden = 6, word_width = 5, longest = 8 }\n'
STAGES = {"hat": 'kind = "hat"\nimages = 4\ncaptions = 2\n', "camera": SELFALIGN, "vsrn": SELFALIGN}
OPTIMIZATION = "optimization = { epochs = 2, lr = 1e-2, warmup_steps = 1, checkpoint_every = 1 }\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Photographs, their features, and two captions of each."""
    paths = write_photographs(tmp_path / "pictures", range(COUNT))
    write_features(tmp_path / "features", [path.stem for path in paths], size=(96, 72))
    lines = [
        {"image": path.name, "captions": [f"a dog number {row} .", f"number {row}"], "width": 96, "height": 72}
        for row, path in enumerate(paths)
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def recipe(folder: Path, system: str, *, model: str | None = None, stage: str = "") -> Recipe:
    data = 'captions = "captions.jsonl"\nheld_out = 0.3\n'
    data += 'images = "pictures"\n' if system == "hat" else 'features = "features"\n'
    stages = f'[[stages]]\nname = "stage"\n{STAGES[system]}{stage}{OPTIMIZATION}'
    text = f'name = "small"\n[data]\n{data}[model]\n{model or MODELS[system]}\n{stages}'
    (folder / "recipe.toml").write_text(text)
    return read_recipe(folder / "recipe.toml")


def train(described: Recipe, root: Path, work: Path, *, stop_after: int | None = None) -> list[float]:
    """The losses of the steps."""
    stopping, losses = threading.Event(), []

    def watch(now: Progress) -> None:
        losses.append(now.loss)
        if now.step == stop_after:
            stopping.set()

    places = Places(root=root, work=work, output=work / "checkpoint")
    assert train_recipe(described, places, device="cpu", watch=watch, stopping=stopping) is (stop_after is None)
    return losses


@pytest.mark.parametrize("system", MODELS)
def test_a_recipe_becomes_a_checkpoint_that_can_be_searched_with(folder, system):
    losses = train(recipe(folder, system), folder, folder / "work")
    assert len(losses) >= 4 and all(loss > 0 for loss in losses)
    for name in ("checkpoint", "stage/best", "stage/last"):
        encoder = load_encoder(str(folder / "work" / name))
        (sentence,) = encoder.encode_sentences(["a dog"])
        assert sentence.channels.keys() == encoder.channel_widths.keys()


@pytest.mark.parametrize("system", MODELS)
def test_stopped_within_an_epoch_it_goes_on_bit_for_bit(folder, system):
    described = recipe(folder, system)
    train(described, folder, folder / "whole")
    if system != "vsrn":  # a vocabulary of word pieces is learned once, and another time pieces may be other ones
        copytree(folder / "whole" / "text", folder / "stopped" / "text")
    train(described, folder, folder / "stopped", stop_after=3)
    train(described, folder, folder / "stopped")
    whole, stopped = (
        torch.load(folder / name / "stage" / "last.pt", weights_only=True)["module"] for name in ("whole", "stopped")
    )
    assert all(torch.equal(whole[key], stopped[key]) for key in whole)


@pytest.mark.parametrize("system", MODELS)
def test_training_goes_on_from_a_checkpoint_of_the_same_system(folder, system):
    train(recipe(folder, system), folder, folder / "first")
    described = recipe(folder, system, model='start = "first/checkpoint"')
    first, begun = load_file(folder / "first" / "checkpoint" / WEIGHTS), begun_weights(described, folder, folder)
    assert first.keys() == begun.keys() and all(torch.equal(first[key], begun[key]) for key in first)
    train(described, folder, folder / "second")
    configs = [read_config(folder / name / "checkpoint") for name in ("first", "second")]
    assert configs[0] == configs[1]


def begun_weights(described: Recipe, root: Path, text: Path) -> dict[str, torch.Tensor]:
    """Those of a checkpoint that is written before anything is learned."""
    captions = [caption for own in read_training_data(described.data, root)[0].captions for caption in own]
    begin(described, captions, root=root, text=text).save(root / "begun", name="begun", dtype=torch.float32)
    return load_file(root / "begun" / WEIGHTS)


@pytest.mark.parametrize("rate", [0.0, 1e-3])
def test_with_a_rate_of_nothing_the_backbones_of_hat_stay_as_they_begin(folder, rate):
    described = recipe(folder, "hat", stage=f"backbone_lr = {rate}\n")
    train(described, folder, folder / "work")
    begun = begun_weights(described, folder, folder / "work" / "text")
    learned = torch.load(folder / "work" / "stage" / "last.pt", weights_only=True)["module"]
    moved = {name for name in begun if not torch.equal(begun[name], learned[name.replace("hat0", "network")])}
    backbones = {name for name in begun if ".swin." in name or ".bert." in name}
    assert bool(moved & backbones) is (rate > 0)
    assert "hat0.image_side.projections.0.weight" in moved


def test_hat_begins_with_a_swin_and_a_bert_of_others(folder):
    swin = SwinModel(
        SwinConfig(image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], window_size=2),
        add_pooling_layer=False,
    )
    swin.save_pretrained(folder / "swin")
    bert = BertConfig(vocab_size=13, hidden_size=8, num_hidden_layers=4, num_attention_heads=2, intermediate_size=8)
    BertModel(bert, add_pooling_layer=False).save_pretrained(folder / "bert")
    vocabulary = (write_pieces(folder / "pieces") / "vocab.txt").read_text()
    (folder / "bert" / "vocab.txt").write_text(vocabulary)
    model = 'swin = "swin"\nbert = "bert"\nhat = { width = 8, text_layers = [1, 2, 3], bert = { layers = 3 } }'
    train(recipe(folder, "hat", model=model, stage="backbone_lr = 0.0\n"), folder, folder / "work")
    weights = torch.load(folder / "work" / "stage" / "last.pt", weights_only=True)["module"]
    key = "encoder.layers.0.blocks.0.mlp.fc1.weight"
    assert torch.equal(weights[f"network.image_side.swin.{key}"], swin.state_dict()[key])


def test_a_stage_of_another_system_is_refused(folder):
    with pytest.raises(BadRecipe, match="stage is of kind hat; those of camera are of kind selfalign"):
        train(recipe(folder, "hat", model=MODELS["camera"]), folder, folder / "work")


@pytest.mark.parametrize(("system", "told"), [("hat", "name data.images"), ("vsrn", "name data.features")])
def test_data_that_a_system_cannot_look_at_is_refused(folder, system, told):
    described = recipe(folder, system)
    other = recipe(folder, "vsrn" if system == "hat" else "hat").data
    with pytest.raises(BadRecipe, match=told):
        train(Recipe(described.name, other, described.model, described.stages), folder, folder / "work")


def test_captions_that_camera_would_not_read_are_refused_before_it_is_trained(folder):
    model = MODELS["camera"].replace("heads = 2", "heads = 2, max_words = 5", 1)
    with pytest.raises(BadRecipe, match=r"the caption 'a dog number \d+ \.' cannot be trained with"):
        train(recipe(folder, "camera", model=model), folder, folder / "work")


def test_images_with_unlike_many_regions_are_refused(folder):
    write_features(folder / "features", ["0003", "0004", "0005", "0006"], size=(96, 72), count=4)
    with pytest.raises(BadFeatures, match="4 to 5 regions"):
        train(recipe(folder, "vsrn"), folder, folder / "work")
