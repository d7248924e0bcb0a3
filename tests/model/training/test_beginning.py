"""A training begins only with a model that can see its images."""

from pathlib import Path

import pytest

from model.errors import BadRecipe
from model.published import import_published
from model.training.align import AlignConfig
from model.training.beginning import begin
from model.training.optimization import Optimization
from model.training.recipe import DataTable, ModelTable, Recipe
from tests.published import published_weights, save_published, write_bert


def recipe(start: str, **data: Path) -> Recipe:
    stage = AlignConfig("sides", Optimization(epochs=1, lr=1e-3))
    return Recipe("small", DataTable(Path("captions.jsonl"), **data), ModelTable(start), (stage,))


def test_a_checkpoint_that_looks_at_photographs_takes_no_features(tiny_checkpoint, tmp_path):
    described = recipe(str(tiny_checkpoint), features=Path("features"))
    with pytest.raises(BadRecipe, match=r"looks at photographs itself: name data\.images, not features$"):
        begin(described, [], root=tmp_path, text=tmp_path)


def test_a_checkpoint_that_takes_features_takes_no_photographs(tmp_path):
    published = save_published(tmp_path / "best.pth.tar", published_weights())
    import_published(published, tmp_path / "imported", bert=str(write_bert(tmp_path / "bert")))
    with pytest.raises(BadRecipe, match=r"data\.images are photographs: name data\.features$"):
        begin(recipe("imported", images=Path("pictures")), [], root=tmp_path, text=tmp_path)
