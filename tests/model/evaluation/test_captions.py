"""Captions are read line by line, and a line that is none is named."""

import json
from pathlib import Path

import pytest

from model.errors import BadFeatures
from model.evaluation.captions import CaptionedImage, read_captions


def test_ends_of_lines_inside_a_caption_and_a_byte_order_mark_are_no_fault(tmp_path):
    captions = ["a dog\u2028on the grass", "two\x85dogs"]
    line = json.dumps({"image": "a.jpg", "captions": captions}, ensure_ascii=False)
    (tmp_path / "captions.jsonl").write_text(f"\ufeff{line}\r\n\n", encoding="utf-8")
    (image,) = read_captions(tmp_path / "captions.jsonl")
    assert list(image.captions) == captions


def test_a_line_that_is_no_captioned_image_is_named(tmp_path):
    (tmp_path / "captions.jsonl").write_text('{"image": "a.jpg", "captions": ["a dog"]}\n{"image": "b.jpg"}\n')
    with pytest.raises(BadFeatures, match="line 2"):
        read_captions(tmp_path / "captions.jsonl")


def written(folder: Path, *lines: dict) -> Path:
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder / "captions.jsonl"


def test_lines_of_the_same_image_are_one_image_with_all_their_captions(tmp_path):
    one, other = {"image": "a.jpg", "split": "test"}, {"image": "b.jpg", "split": "test"}
    path = written(
        tmp_path,
        one | {"captions": ["a dog"]},
        other | {"captions": ["a ball"]},
        one | {"captions": ["the dog", "a dog"]},
    )
    assert read_captions(path) == [
        CaptionedImage("a.jpg", ("a dog", "the dog", "a dog"), "test"),
        CaptionedImage("b.jpg", ("a ball",), "test"),
    ]


@pytest.mark.parametrize("other", [{"split": "test"}, {"width": 640, "height": 480}])
def test_an_image_of_two_splits_or_sizes_is_refused(tmp_path, other):
    line = {"image": "a.jpg", "captions": ["a dog"]}
    with pytest.raises(BadFeatures, match=r"line 2: a\.jpg has another split or size"):
        read_captions(written(tmp_path, line, line | other))


@pytest.mark.parametrize("wrong", [{"captions": "dog"}, {"captions": [""]}, {"captions": []}, {"split": 1}])
def test_captions_must_be_a_list_of_sentences(tmp_path, wrong):
    with pytest.raises(BadFeatures, match=r"line 1: .* must be"):
        read_captions(written(tmp_path, {"image": "a.jpg", "captions": ["a dog"]} | wrong))


def test_of_an_absent_split_the_error_names_those_that_there_are(tmp_path):
    line = {"image": "a.jpg", "captions": ["a dog"], "split": "val"}
    with pytest.raises(BadFeatures, match="no captioned image of split 'dev'; those that there are: val"):
        read_captions(written(tmp_path, line), split="dev")
