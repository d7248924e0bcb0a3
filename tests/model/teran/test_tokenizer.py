"""From text to word pieces and back to words."""

import pytest

from model.errors import BadCheckpoint, BadSentence
from model.teran.tokenizer import Tokenizer, check_sentence, group_words


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint) -> Tokenizer:
    return Tokenizer(tiny_checkpoint)


def scored(tokenizer: Tokenizer, text: str) -> list[str]:
    tokens = tokenizer(text, append_full_stop=True)
    return [tokens.pieces[place] for place in tokens.scored()]


@pytest.mark.parametrize("text", ["a dog", "a dog.", "a dog .", "a dog !", "a dog?", "A DOG.  "])
def test_no_word_is_lost_with_or_without_a_full_stop(tokenizer, text):
    assert scored(tokenizer, text) == ["a", "dog"]


def test_a_query_of_one_word_keeps_it(tokenizer):
    assert scored(tokenizer, "dog") == ["dog"]


def test_without_the_added_full_stop_the_last_piece_is_lost_as_published(tokenizer):
    tokens = tokenizer("a dog", append_full_stop=False)
    assert [tokens.pieces[place] for place in tokens.scored()] == ["a"]


def test_spans_are_those_of_the_text_as_given(tokenizer):
    text = "A  Brown dog"
    tokens = tokenizer(text, append_full_stop=True)
    words, _ = group_words(text, [tokens.spans[place] for place in tokens.scored()])
    assert [text[word.start : word.end] for word in words] == ["A", "Brown", "dog"] == [word.text for word in words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("playgrounds", ["playgrounds"]),
        ("a man's t-shirt", ["a", "man's", "t-shirt"]),
        ("dogs, cats", ["dogs", "cats"]),
        ("red - blue", ["red", "blue"]),
        ("rock'n'roll", ["rock'n'roll"]),
        ("'quoted'", ["quoted"]),
        ("3.5", ["3", "5"]),
    ],
)
def test_pieces_are_joined_to_whole_words(tokenizer, text, words):
    tokens = tokenizer(text, append_full_stop=True)
    assert [word.text for word in group_words(text, [tokens.spans[place] for place in tokens.scored()])[0]] == words


def test_a_mark_belongs_to_the_word_before_it_and_the_first_to_the_word_behind():
    text = "-- a dog , , cat"
    spans = [(0, 1), (1, 2), (3, 4), (5, 8), (9, 10), (11, 12), (13, 16)]
    words, word_of_piece = group_words(text, spans)
    assert [(word.text, word.start, word.end) for word in words] == [("a", 3, 4), ("dog", 5, 8), ("cat", 13, 16)]
    assert word_of_piece == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize("text", ["", "   ", ".", "?!", "\n", "-- ,"])
def test_a_sentence_without_words_is_refused(tokenizer, text):
    with pytest.raises(BadSentence, match="no words"):
        check_sentence(tokenizer(text, append_full_stop=True), longest=64)


def test_a_sentence_that_is_too_long_is_refused_with_the_limit(tokenizer):
    with pytest.raises(BadSentence, match="10001 word pieces; this model reads at most 62"):
        check_sentence(tokenizer("dog " * 10_000, append_full_stop=True), longest=64)


def test_a_sentence_of_stop_words_alone_is_refused(tokenizer):
    tokens = tokenizer("a a", append_full_stop=True)
    with pytest.raises(BadSentence, match="stop words"):
        check_sentence(tokens, longest=64, stopwords=("a",))


def test_a_folder_without_a_vocabulary_is_refused(tmp_path):
    with pytest.raises(BadCheckpoint, match="has no vocab"):
        Tokenizer(tmp_path)
