"""Features from files stand for a detector."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.embeddings import Picture
from model.errors import BadFeatures
from model.regions.files import FeatureFiles
from tests.selfalign import WIDTH, regions, write_features

PIXELS = np.zeros((32, 32, 3), np.uint8)


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_features(tmp_path, ["dog", "beach"], size=(640, 480))


def picture(name: str, *, width: int = 640, height: int = 480) -> Picture:
    return Picture(PIXELS, width, height, name)


def test_features_are_found_by_the_name_of_a_picture(folder):
    found = FeatureFiles(folder, WIDTH).extract([picture("beach.jpg"), picture("dog.png")])
    assert torch.equal(found.features[0], regions(5, seed=1).features[0])
    torch.testing.assert_close(found.boxes[1], regions(5, seed=0).boxes[0])
    assert found.counts.tolist() == [5, 5] and found.sizes.tolist() == [[640, 480]] * 2


@pytest.mark.parametrize(
    ("name", "size", "width", "told"),
    [
        ("cat.jpg", (640, 480), WIDTH, "cat"),
        ("dog.jpg", (320, 240), WIDTH, "picture of another size"),
        ("dog.jpg", (640, 480), WIDTH + 1, "7"),
        ("", (640, 480), WIDTH, "cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused(folder, name, size, width, told):
    with pytest.raises(BadFeatures, match=told):
        FeatureFiles(folder, width).extract([picture(name, width=size[0], height=size[1])])


def test_a_box_on_the_border_stays_within_the_picture(folder):
    np.save(folder / "bu_box" / "dog.npy", np.array([[-0.4, 0, 640.4, 480]] * 5, np.float32))
    found = FeatureFiles(folder, WIDTH).extract([picture("dog.jpg")])
    assert found.boxes.min() == 0 and found.boxes.max() == 1


def test_features_of_several_widths_are_refused(folder):
    np.savez(folder / "bu_att" / "dog.npz", feat=np.ones((5, WIDTH + 1), np.float32))
    with pytest.raises(BadFeatures, match="not of one width: 6, 7"):
        FeatureFiles(folder, WIDTH).extract([picture("beach.jpg"), picture("dog.jpg")])


def test_an_empty_file_is_named(folder):
    (folder / "bu_att" / "dog.npz").write_bytes(b"")
    with pytest.raises(BadFeatures, match="features of image dog cannot be read"):
        FeatureFiles(folder, WIDTH).extract([picture("dog.jpg")])


def test_of_several_pictures_the_one_whose_boxes_lie_outside_is_named(folder):
    np.save(folder / "bu_box" / "dog.npy", np.array([[-40, 0, 640, 480]] * 5, np.float32))
    with pytest.raises(BadFeatures, match="boxes of dog lie outside"):
        FeatureFiles(folder, WIDTH).extract([picture("beach.jpg"), picture("dog.jpg")])
