"""Which images a recipe trains on, and which it validates with."""

import json
from pathlib import Path

import pytest

from model.errors import BadRecipe
from model.training.data import CaptionedImages, read_training_data
from model.training.recipe import DataTable
from tests.selfalign import write_features


def table(**more: object) -> DataTable:
    return DataTable(**{"captions": Path("captions.jsonl"), "images": Path("pictures"), "held_out": 0.5} | more)


def write_lines(folder: Path, splits: list[str | None], **more: object) -> list[str]:
    """An image of each split; the names of their files, which are there."""
    named = [f"{number}.jpg" for number in range(len(splits))]
    lines = [
        {"image": name, "captions": ["a dog"]} | more | ({"split": split} if split is not None else {})
        for name, split in zip(named, splits, strict=True)
    ]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "pictures").mkdir()
    for name in named:
        (folder / "pictures" / name).touch()
    return named


def names(images: CaptionedImages) -> set[str]:
    return {file.name for file in images.files}


def test_of_other_splits_nothing_is_trained_on_or_held_out(tmp_path):
    named = write_lines(tmp_path, ["train", "test", None] * 8)
    train, validation = read_training_data(table(), tmp_path)
    assert names(train) and names(validation) and not names(train) & names(validation)
    assert names(train) | names(validation) == {name for row, name in enumerate(named) if row % 3 != 1}


def test_where_no_image_is_of_the_splits_to_train_on_it_says_which_there_are(tmp_path):
    write_lines(tmp_path, ["training"] * 8)
    with pytest.raises(BadRecipe, match=r"0 images to train on and 0 held out.*data\.train does not name: training$"):
        read_training_data(table(), tmp_path)


@pytest.mark.parametrize(
    ("count", "told"), [(1, "add them, or leave"), (5, "add them, or leave"), (8, "the folder that")]
)
def test_missing_pictures_are_counted_and_named_at_once(tmp_path, count, told):
    for name in sorted(write_lines(tmp_path, [None] * 8))[:count]:
        (tmp_path / "pictures" / name).unlink()
    with pytest.raises(
        BadRecipe, match=rf"^{count} of the 8 files.*captions\.jsonl asks for are missing: .*\.jpg"
    ) as caught:
        read_training_data(table(), tmp_path)
    assert told in str(caught.value) and str(caught.value).count(".jpg") == min(count, 3)
    assert (", ..." in str(caught.value)) is (count > 3)


def test_images_that_are_no_folder_are_refused(tmp_path):
    write_lines(tmp_path, [None] * 8)
    with pytest.raises(BadRecipe, match=r"nowhere is no folder: data\.images must name"):
        read_training_data(table(images=Path("nowhere")), tmp_path)


def test_missing_features_are_counted_and_named_at_once(tmp_path):
    names = [Path(name).stem for name in write_lines(tmp_path, [None] * 8, width=640, height=480)]
    write_features(tmp_path / "features", names, size=(640, 480))
    features = table(images=None, features=Path("features"))
    assert sum(map(len, read_training_data(features, tmp_path))) == 8
    (tmp_path / "features" / "bu_box" / "5.npy").unlink()
    with pytest.raises(BadRecipe, match=r"^1 of the 16 files .* are missing: .*bu_box/5\.npy"):
        read_training_data(features, tmp_path)
