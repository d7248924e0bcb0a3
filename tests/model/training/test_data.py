"""Which images a recipe trains on, and which it validates with."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from model.errors import BadRecipe
from model.regions.files import PublishedImage
from model.training.data import CaptionedImages, read_training_data
from model.training.recipe import DataTable, Layout
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


@pytest.fixture
def coco(tmp_path) -> Path:
    """Images 3 and 7 to train on, 5 beside them and 9 to validate with; lists of ids are in another order."""
    folder = tmp_path / "sets" / "coco" / "annotations"
    folder.mkdir(parents=True)
    for part, images in (("train2014", (3, 7)), ("val2014", (5, 9))):
        sizes = [{"id": image, "width": 10 * image, "height": image} for image in images]
        said = [
            {"id": 10 * image + n, "image_id": image, "caption": f"{n} of {image}"}
            for n in range(3)
            for image in images
        ]
        (folder / f"captions_{part}.json").write_text(json.dumps({"images": sizes, "annotations": said}))
    for split, ids in (("train", [71, 70, 32, 31]), ("restval", [52]), ("dev", [90, 92])):
        np.save(folder / f"coco_{split}_ids.npy", np.array(ids))
    return tmp_path


@pytest.fixture
def flickr30k(tmp_path) -> Path:
    """Photographs b and d to train on, c to validate with, a for neither."""
    folder = tmp_path / "sets" / "f30k"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    images = [
        {"filename": f"{name}.jpg", "split": split, "sentences": [{"raw": f"{n} of {name}"} for n in range(2)]}
        for name, split in zip("abcd", ("test", "train", "val", "train"), strict=True)
    ]
    (folder / "annotations" / "dataset_flickr30k.json").write_text(json.dumps({"images": images}))
    (folder / "images" / "sizes.pkl").write_bytes(pickle.dumps([(10, 1), (20, 2), (30, 3), (40, 4)]))
    return tmp_path


def made(*files: Path) -> tuple[Path, ...]:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return files


def test_coco_gives_every_image_its_own_captions_and_file(coco):
    described = DataTable(
        Path("sets"), Layout.COCO, images=Path("photographs"), train=("train", "restval"), validation="dev"
    )
    places = (
        "train2014/COCO_train2014_000000000007", "train2014/COCO_train2014_000000000003",
        "val2014/COCO_val2014_000000000005", "val2014/COCO_val2014_000000000009",
    )  # fmt: skip
    files = made(*(coco / "photographs" / f"{place}.jpg" for place in places))
    train, validation = read_training_data(described, coco)
    assert train.captions == (("1 of 7", "0 of 7"), ("2 of 3", "1 of 3"), ("2 of 5",))
    assert train.files == files[:3] and validation.files == files[3:]
    assert validation.captions == (("0 of 9", "2 of 9"),)


def test_coco_gives_every_image_its_features(coco):
    described = DataTable(
        Path("sets"), Layout.COCO, features=Path("features"), train=("train", "restval"), validation="dev"
    )
    write_features(coco / "features", ["3", "5", "7", "9"], size=(64, 48))
    train, validation = read_training_data(described, coco)
    assert train.files == () and train.published == tuple(
        PublishedImage(str(image), 10 * image, image) for image in (7, 3, 5)
    )
    assert validation.published == (PublishedImage("9", 90, 9),)


def test_flickr30k_gives_every_image_its_own_captions_and_file(flickr30k):
    described = DataTable(Path("sets"), Layout.FLICKR30K, images=Path("photographs"), validation="val")
    files = made(*(flickr30k / "photographs" / f"{name}.jpg" for name in "bdc"))
    train, validation = read_training_data(described, flickr30k)
    assert train.captions == (("0 of b", "1 of b"), ("0 of d", "1 of d"))
    assert train.files == files[:2] and validation.files == files[2:]
    assert validation.captions == (("0 of c", "1 of c"),)


def test_flickr30k_gives_every_image_the_features_of_its_place_in_the_list(flickr30k):
    described = DataTable(Path("sets"), Layout.FLICKR30K, features=Path("features"), validation="val")
    write_features(flickr30k / "features", ["1", "2", "3"], size=(64, 48))
    train, validation = read_training_data(described, flickr30k)
    assert train.published == (PublishedImage("1", 20, 2), PublishedImage("3", 40, 4))
    assert validation.published == (PublishedImage("2", 30, 3),) and validation.files == ()
