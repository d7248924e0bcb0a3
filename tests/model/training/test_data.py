"""Which images a recipe trains on, and which it validates with."""

import json
from pathlib import Path

import pytest

from model.errors import BadRecipe
from model.training.data import CaptionedImages, read_training_data
from model.training.recipe import DataTable


def table(**more: object) -> DataTable:
    return DataTable(**{"captions": Path("captions.jsonl"), "images": Path("pictures"), "held_out": 0.5} | more)


def write_lines(folder: Path, splits: list[str | None], **more: object) -> list[str]:
    """An image of each split, and the names of their files."""
    named = [f"{number}.jpg" for number in range(len(splits))]
    lines = [
        {"image": name, "captions": ["a dog"]} | more | ({"split": split} if split is not None else {})
        for name, split in zip(named, splits, strict=True)
    ]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return named


def names(images: CaptionedImages) -> set[str]:
    return {file.name for file in images.files}


def test_of_other_splits_nothing_is_trained_on_or_held_out(tmp_path):
    named = write_lines(tmp_path, ["train", "test", None] * 8)
    train, validation = read_training_data(table(), tmp_path)
    assert names(train) and names(validation) and not names(train) & names(validation)
    assert names(train) | names(validation) == {name for row, name in enumerate(named) if row % 3 != 1}


def test_where_no_image_is_of_the_splits_to_train_on_it_says_which_those_are(tmp_path):
    write_lines(tmp_path, ["training"] * 8)
    with pytest.raises(BadRecipe, match=r"0 images to train on and 0 held out.*data\.train names: train"):
        read_training_data(table(), tmp_path)
