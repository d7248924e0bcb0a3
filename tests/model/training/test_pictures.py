"""Pictures of a training: decoded once, and again when they change."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import BadRecipe
from model.framing import Framing
from model.training.pictures import list_pictures, load_pictures


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "pictures").mkdir()
    paint(tmp_path / "pictures" / "a.png", "red")
    paint(tmp_path / "pictures" / "b.png", "blue")
    return tmp_path / "pictures"


def paint(path: Path, colour: str) -> None:
    Image.new("RGB", (40, 20), colour).save(path)


def load(folder: Path) -> np.ndarray:
    return load_pictures(list_pictures(folder), framing=Framing(8), folder=folder.parent / "cache")


def test_pictures_are_decoded_once(folder):
    first = load(folder)
    (stored,) = (folder.parent / "cache").iterdir()
    written = stored.stat().st_mtime_ns
    assert first.shape == (2, 8, 8, 3) and np.array_equal(load(folder), first)
    assert [path.stat().st_mtime_ns for path in stored.parent.iterdir()] == [written]


def test_a_picture_that_was_changed_is_decoded_anew(folder):
    load(folder)
    before = (folder / "a.png").stat()
    paint(folder / "a.png", "green")  # in as many bytes
    os.utime(folder / "a.png", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert (folder / "a.png").stat().st_size == before.st_size
    assert (load(folder)[0, 0, 0] == (0, 128, 0)).all()


def test_a_picture_that_cannot_be_decoded_is_named(folder):
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])
    with pytest.raises(BadRecipe, match=r"b\.png cannot be decoded: replace it"):
        load(folder)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(BadRecipe, match="holds no pictures"):
        list_pictures(tmp_path)
