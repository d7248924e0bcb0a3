"""Names of collections lead to their folder and nowhere else."""

from pathlib import Path

import pytest

from indexer.commit import create_collection
from indexer.index.errors import BadCollectionName
from indexer.index.layout import collection_path, list_collections
from tests.indexer.index.tiny import ENCODER, writer_for


@pytest.mark.parametrize("name", ["default", "0", "a-b_c", "a" * 64])
def test_a_collection_lies_under_its_name(tmp_path: Path, name: str) -> None:
    assert collection_path(tmp_path, name) == tmp_path / "collections" / name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "/etc", "A", "-a", "_a", "a b", "a\n", "a\0", "ä", "a" * 65]
)
def test_a_name_that_is_no_plain_word_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadCollectionName, match="use 1 to 64 of a-z"):
        collection_path(tmp_path, name)


def test_collections_with_a_commit_are_listed(tmp_path: Path) -> None:
    assert list_collections(tmp_path) == []
    for name in ("b", "a"):
        create_collection(collection_path(tmp_path, name), encoder=ENCODER)
    with writer_for(collection_path(tmp_path, "not-yet")):
        assert list_collections(tmp_path) == ["a", "b"]
