"""Captions are read line by line, and a line that is none is named."""

import json

import pytest

from model.errors import BadFeatures
from model.evaluation.captions import read_captions


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
