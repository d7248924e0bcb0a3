"""What is kept from one training is not taken for what another one would have made."""

from pathlib import Path

import pytest
import torch

from model.errors import BadRecipe
from model.training.building import word_pieces
from model.training.origins import content_of
from model.training.recipe import ModelTable
from model.training.state import LAST, check_begun

CAPTIONS = ["a brown dog runs", "two dogs run on the beach", "a red ball"]


def test_weights_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    folder, file = tmp_path / "bert", tmp_path / "network.onnx"
    folder.mkdir()
    (folder / "weights").write_bytes(b"1")
    file.write_bytes(b"1")
    before = content_of(folder), content_of(file)
    file.write_bytes(b"2")
    assert content_of(folder) == before[0] and content_of(file) != before[1]
    (folder / "weights").write_bytes(b"2")
    assert content_of(folder) != before[0]
    assert content_of("bert-base-uncased") == "bert-base-uncased"


def test_other_captions_or_another_size_have_a_vocabulary_of_their_own(tmp_path: Path) -> None:
    small, large = ModelTable(vocabulary_size=50), ModelTable(vocabulary_size=60)
    first, told = word_pieces(small, None, CAPTIONS, tmp_path)
    assert word_pieces(small, None, iter(CAPTIONS), tmp_path) == (first, told)
    for table, captions in ((large, CAPTIONS), (small, ["the sea at night"])):
        other, other_told = word_pieces(table, None, captions, tmp_path)
        assert other != first and other_told != told


def test_another_training_is_refused_before_its_data_are_made_ready(tmp_path: Path) -> None:
    check_begun(tmp_path, identity="one")
    torch.save({"identity": "one", "module": {"weight": torch.zeros(3)}}, tmp_path / LAST)
    check_begun(tmp_path, identity="one")
    with pytest.raises(BadRecipe, match="was begun with another recipe"):
        check_begun(tmp_path, identity="another")
