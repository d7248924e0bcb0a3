"""COCO and Flickr30k in small, as they lie on the disk; what is wrong there is told."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import BadFeatures
from model.evaluation.published_sets import read_coco, read_flickr30k
from model.regions.files import PublishedImage


@pytest.fixture
def coco(tmp_path) -> Path:
    folder = tmp_path / "coco" / "annotations"
    folder.mkdir(parents=True)
    content = {
        "images": [{"id": 7, "width": 640, "height": 480}, {"id": 8, "width": 300, "height": 200}],
        "annotations": [{"id": n, "image_id": 7 + n // 2, "caption": f"caption {n}"} for n in range(4)],
    }
    (folder / "captions_val2014.json").write_text(json.dumps(content))
    np.save(folder / "coco_dev_ids.npy", np.array([2, 3, 0]))
    return tmp_path


@pytest.fixture
def flickr30k(tmp_path) -> Path:
    (tmp_path / "f30k" / "annotations").mkdir(parents=True)
    (tmp_path / "f30k" / "images").mkdir()
    images = [
        {"filename": f"{place}.jpg", "split": split, "sentences": [{"raw": f"one of {place}"}, {"raw": "two"}]}
        for place, split in enumerate(["train", "val", "train"])
    ]
    (tmp_path / "f30k" / "annotations" / "dataset_flickr30k.json").write_text(json.dumps({"images": images}))
    (tmp_path / "f30k" / "images" / "sizes.pkl").write_bytes(pickle.dumps([(10, 20), (30, 40), (50, 60)]))
    return tmp_path


def test_coco_is_read_in_the_order_of_its_ids(coco):
    found = read_coco(coco, "dev")
    assert found.images == (PublishedImage("8", 300, 200), PublishedImage("7", 640, 480))
    assert found.files[0] == "val2014/COCO_val2014_000000000008.jpg"
    assert (found.sentences, found.owners) == (("caption 2", "caption 3", "caption 0"), (0, 0, 1))


def test_a_list_of_ids_that_is_missing_is_told_with_those_that_there_are(coco):
    with pytest.raises(BadFeatures, match=r"coco_test_ids\.npy cannot be read: .* there are here: coco_dev_ids\.npy$"):
        read_coco(coco, "test")


def test_an_id_without_an_annotation_is_named(coco):
    np.save(coco / "coco" / "annotations" / "coco_dev_ids.npy", np.array([2, 99]))
    with pytest.raises(BadFeatures, match=r"captions_val2014\.json .* has no annotation 99"):
        read_coco(coco, "dev")


def test_flickr30k_is_read_with_the_places_of_its_images_in_the_whole_list(flickr30k):
    found = read_flickr30k(flickr30k, "train")
    assert found.images == (PublishedImage("0", 10, 20), PublishedImage("2", 50, 60))
    assert (found.files, found.owners) == (("0.jpg", "2.jpg"), (0, 0, 1, 1))


def test_without_a_list_of_sizes_the_photographs_of_the_split_are_looked_at(flickr30k):
    images = flickr30k / "f30k" / "images"
    (images / "sizes.pkl").unlink()
    Image.new("RGB", (5, 6)).save(images / "1.jpg")
    assert read_flickr30k(flickr30k, "val").images == (PublishedImage("1", 5, 6),)
    with pytest.raises(BadFeatures, match=r"without sizes\.pkl .*0\.jpg"):
        read_flickr30k(flickr30k, "train")


def test_an_absent_split_is_told_with_those_that_there_are(flickr30k):
    with pytest.raises(BadFeatures, match="no images of split 'dev'; those that there are: train, val"):
        read_flickr30k(flickr30k, "dev")
