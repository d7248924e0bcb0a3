"""Views of the pictures of a training, kept for those who ask for the same again."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.errors import BadFeatures
from model.regions.files import FeatureFiles, PublishedImage
from model.regions.windows import WindowExtractor
from model.training.building import teran_of
from model.training.hardware import Arithmetic
from model.training.views import PublishedRegions, StoredViews, store_views
from tests.selfalign import WIDTH, write_features


@pytest.fixture(scope="module")
def regions(tiny_checkpoint) -> WindowExtractor:
    found = teran_of(tiny_checkpoint).trainee.regions
    assert found is not None
    return found


def store(pictures: np.ndarray, regions: WindowExtractor, folder: Path, *, device: str = "cpu") -> StoredViews:
    arithmetic = Arithmetic(torch.device(device), torch.float32)
    return store_views(pictures, regions, views=1, smallest_crop=0.5, arithmetic=arithmetic, folder=folder)


def test_views_of_other_pictures_have_another_name_wherever_these_differ(regions, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (203, 64, 64, 3), dtype=np.uint8)
    swapped = pictures.copy()
    swapped[[1, 3]] = pictures[[3, 1]]
    one, other = (store(some, regions, tmp_path) for some in (pictures, swapped))
    assert one.name != other.name and np.array_equal(one.stored[0, 1], other.stored[0, 3])


def test_a_process_on_another_device_of_the_kind_finds_what_the_first_has_stored(regions, tmp_path):
    pictures = np.zeros((2, 64, 64, 3), np.uint8)
    one, other = (store(pictures, regions, tmp_path, device=device) for device in ("cpu", "cpu:0"))
    assert one.name == other.name and len(list(tmp_path.iterdir())) == 1


def test_published_features_of_another_width_are_refused_before_the_first_step(tmp_path):
    folder, images = write_features(tmp_path, ["dog"], size=(640, 480)), [PublishedImage("dog", 640, 480)]
    assert len(PublishedRegions(FeatureFiles(folder, WIDTH), images)) == 1
    with pytest.raises(BadFeatures, match=f"are {WIDTH} wide; the model takes 2048"):
        PublishedRegions(FeatureFiles(folder, 2048), images)
