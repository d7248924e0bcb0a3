"""Words as VSRN was trained on them."""

import pytest

from model.errors import BadCheckpoint
from model.selfalign.vocabulary import SPECIAL, Vocabulary, read_vocabulary, treebank_words
from tests.selfalign import WORDS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a man, two dogs.", "a man , two dogs ."),
        ("the man's dog can't run", "the man 's dog ca n't run"),
        ("dogs' toys", "dogs ' toys"),
        ('he said "stop"!', "he said `` stop '' !"),
        ("a t-shirt -- red (new)", "a t-shirt -- red ( new )"),
        ("at 10:30 it is 1,000 m. away", "at 10:30 it is 1,000 m. away"),
        ("one runs. two play.", "one runs . two play ."),
        ("they're here; i'll cannot wait...", "they 're here ; i 'll can not wait ..."),
        ("", ""),
    ],
)
def test_words_are_those_of_the_penn_treebank(text, words):
    assert treebank_words(text) == words.split()


def test_a_sentence_stands_between_start_and_end_and_what_is_unknown_is_one_word():
    assert WORDS("A red zebra.") == [1, 5, 7, 3, 4, 2]


def test_a_vocabulary_survives_its_file(tmp_path):
    WORDS.write_vocabulary(tmp_path / "vocab.txt")
    assert read_vocabulary(tmp_path / "vocab.txt").words == WORDS.words


def test_a_vocabulary_that_numbers_other_words_first_is_refused(tmp_path):
    with pytest.raises(BadCheckpoint, match="begins with"):
        Vocabulary(("dog", *SPECIAL))
    with pytest.raises(BadCheckpoint, match="none"):
        read_vocabulary(tmp_path / "none.txt")
