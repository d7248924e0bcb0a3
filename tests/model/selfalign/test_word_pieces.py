"""Word pieces as CAMERA reads them."""

import pytest

from model.errors import BadCheckpoint, BadSentence
from model.selfalign.word_pieces import WordPieces, pad_ids
from tests.selfalign import PIECES, write_pieces


@pytest.fixture
def pieces(tmp_path) -> WordPieces:
    return WordPieces(write_pieces(tmp_path))


def named(ids: list[int]) -> list[str]:
    return [PIECES[number] for number in ids]


def test_words_are_cut_to_known_pieces(pieces):
    assert named(pieces(" Two  DOGS.", longest=10, cut=False)) == ["[CLS]", "two", "dog", "##s", ".", "[SEP]"]


def test_the_name_of_a_special_piece_is_text(pieces):
    assert named(pieces("a [SEP] dog", longest=10, cut=False)).count("[SEP]") == 1


def test_what_is_too_long_is_refused_or_cut_before_its_end(pieces):
    assert named(pieces("a dog runs .", longest=4, cut=True)) == ["[CLS]", "a", "dog", "[SEP]"]
    with pytest.raises(BadSentence, match="4 word pieces; this model reads at most 2"):
        pieces("a dog runs .", longest=4, cut=False)


def test_ids_are_padded_to_the_longest_or_to_a_width():
    ids, lengths = pad_ids([[2, 6, 3], [2, 3]])
    assert ids.tolist() == [[2, 6, 3], [2, 3, 0]] and lengths.tolist() == [3, 2]
    assert pad_ids([[2, 3]], width=4)[0].tolist() == [[2, 3, 0, 0]]


def test_a_folder_without_a_vocabulary_is_refused(tmp_path):
    with pytest.raises(BadCheckpoint, match=r"no vocab\.txt"):
        WordPieces(tmp_path)
