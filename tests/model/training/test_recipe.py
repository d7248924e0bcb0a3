"""Recipes: those that ship can be read, and a wrong one is told what is allowed."""

import re
from pathlib import Path

import pytest

from model.errors import BadRecipe
from model.training.recipe import read_recipe

ROOT = Path(__file__).resolve().parents[3]
RECIPES = ROOT / "model" / "training" / "recipes"
DOCUMENT = ROOT / "docs" / "training.md"
GOOD = """
name = "small"
[data]
captions = "captions.jsonl"
images = "pictures"
[model]
start = "bundled"
[[stages]]
kind = "align"
name = "sides"
views = "stored"
optimization = { epochs = 2, lr = 1e-3 }
"""


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_can_be_read(path):
    assert read_recipe(path).stages[-1].kind in ("align", "hat", "selfalign")


def test_the_recipes_of_the_document_can_be_read(tmp_path):
    whole, features = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    stages = whole[whole.index("[[stages]]") :].replace('views = "stored"', "")
    (tmp_path / "whole.toml").write_text(whole)
    (tmp_path / "features.toml").write_text(f'name = "mine"\n{features}{stages}')
    assert read_recipe(tmp_path / "whole.toml").model.start == "bundled"
    assert read_recipe(tmp_path / "features.toml").model.teran.bert.width == 256


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("epochs = 2", "epoch = 2", r"stages\[1\] optimization unknown key 'epoch'; known are epochs, lr, "),
        ("epochs = 2", "epochs = 2.5", "epochs must be of type int, not 2.5"),
        ("epochs = 2", "epochs = 0", "epochs is 0: it must be at least 1"),
        ("lr = 1e-3", "lr = true", "lr must be of type float, not True"),
        ('"stored"', '"kept"', "views is 'kept'; allowed are fresh, stored"),
        ('kind = "align"', 'kind = "guess"', "kind is 'guess'; allowed are align, distil"),
        ('captions = "captions.jsonl"', "", "data 'captions' is missing"),
        ('images = "pictures"', "", "either `images` or `features`"),
        ("[data]", '[data]\nlayout = "coco"', "`validation` must name a split of coco: train, restval, dev, test"),
        ("[data]", '[data]\nlayout = "flickr30k"\nvalidation = "dev"', "a split of flickr30k: train, val, test"),
        ("[data]", '[data]\nlayout = "coco"\ntrain = ["all"]\nvalidation = "dev"', "`train` must name a split of coco"),
        ("[data]", "[data]\ntrain = []", "`train` must name a split at least"),
        ('views = "stored"', 'views = "stored"\nconvnet_lr = 1e-4', "convnet_lr must be 0 where views are stored"),
        ('start = "bundled"', 'start = "bundled"\nbert = "x"', "`start` brings sizes and weights of its own"),
        ('start = "bundled"', "hat = { text_layers = [1, 2] }", "must be three layers of BERT's 12"),
        ('start = "bundled"', "hat = {}\nvsrn = {}", "a model is of one system"),
        ('start = "bundled"', 'vsrn = {}\nbert = "x"', "vsrn reads whole words"),
        ('kind = "align"\nname = "sides"\nviews = "stored"', 'kind = "hat"\nname = "x"\nimages = 1', "images must be"),
        ("[data]", "data", "cannot be read"),
    ],
)
def test_a_wrong_recipe_is_told_where_and_what_is_allowed(tmp_path, good, bad, told):
    assert good in GOOD
    (tmp_path / "recipe.toml").write_text(GOOD.replace(good, bad))
    with pytest.raises(BadRecipe, match=told) as caught:
        read_recipe(tmp_path / "recipe.toml")
    assert "recipe.toml" in str(caught.value)


def test_a_good_recipe_is_read_with_its_defaults(tmp_path):
    (tmp_path / "recipe.toml").write_text(GOOD)
    (stage,) = read_recipe(tmp_path / "recipe.toml").stages
    assert stage.optimization.epochs == 2 and stage.images == 64 and stage.loss.contrast == 1.0


def test_windows_of_a_network_that_nobody_teaches_are_refused(tmp_path):
    shipped = (RECIPES / "mobilenetv2.toml").read_text()
    without = "".join(line for line in shipped.splitlines(keepends=True) if not line.startswith("pretrained"))
    (tmp_path / "recipe.toml").write_text(without)
    with pytest.raises(BadRecipe, match="would stay random"):
        read_recipe(tmp_path / "recipe.toml")
