"""Sentences as word pieces, and which pieces make one word of the text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from transformers import BertTokenizer

from model.embeddings import Word
from model.errors import BadCheckpoint, BadSentence

ENDS_LIKE_A_SENTENCE = re.compile(r"[.!?\u2026\u3002]\s*$")
JOINERS = "-'\u2019"  # between two letters they make one word: man's, t-shirt


@dataclass(frozen=True, slots=True)
class Tokens:
    """One sentence; `pieces`, `ids` and `spans` run in step and hold the special pieces too."""

    text: str  # as given
    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # characters of `text`; a full stop that was added lies behind its end

    def scored(self, stopwords: Sequence[str] = ()) -> list[int]:
        """The positions that take part in a score: all but the last of the pieces that are no stop words."""
        return [place for place in range(1, len(self.ids) - 1) if self.pieces[place] not in stopwords][:-1]


class Tokenizer:
    def __init__(self, folder: Path | str) -> None:
        """`folder` in the Hugging Face layout, or a name on the hub."""
        if Path(folder).is_dir() and not (Path(folder) / "vocab.txt").is_file():
            raise BadCheckpoint(f"{folder} has no vocab.txt")  # transformers would go on with an empty one
        try:
            self._pieces = BertTokenizer.from_pretrained(str(folder)).backend_tokenizer
        except (OSError, ValueError) as error:
            raise BadCheckpoint(f"no tokeniser could be loaded from {folder}: {error}") from error
        self._pieces.no_truncation()
        self._pieces.no_padding()

    @property
    def unknown_id(self) -> int:
        """The id of [UNK], which stands for what is not in the vocabulary."""
        return int(self._pieces.token_to_id("[UNK]"))

    @property
    def size(self) -> int:
        """How many pieces the vocabulary has."""
        return int(self._pieces.get_vocab_size())

    def write_vocabulary(self, path: Path) -> None:
        pieces = sorted(self._pieces.get_vocab().items(), key=lambda piece: piece[1])
        path.write_text("".join(f"{piece}\n" for piece, _ in pieces), encoding="utf-8")

    def __call__(self, sentence: str, *, append_full_stop: bool) -> Tokens:
        whole = sentence
        if append_full_stop and not ENDS_LIKE_A_SENTENCE.search(sentence):
            whole = sentence + " ."
        encoded = self._pieces.encode(whole)
        return Tokens(sentence, tuple(encoded.ids), tuple(encoded.tokens), tuple(encoded.offsets))


def check_sentence(tokens: Tokens, *, longest: int, stopwords: Sequence[str] = ()) -> None:
    """Raise BadSentence for what cannot be scored; `longest` in pieces, the special ones included."""
    check_words(tokens.text)
    if not tokens.scored(stopwords):
        raise BadSentence(f"no piece of {tokens.text!r} takes part in a score (stop words and the last piece never do)")
    if len(tokens.ids) > longest:
        raise BadSentence(
            f"the sentence has {len(tokens.ids) - 2} word pieces; this model reads at most {longest - 2}: shorten it"
        )


def check_words(sentence: str) -> None:
    """Raise BadSentence for one without letters and digits."""
    if not any(character.isalnum() for character in sentence):
        raise BadSentence("the sentence has no words: say what the photograph should show")


def group_words(text: str, spans: Sequence[tuple[int, int]]) -> tuple[tuple[Word, ...], list[int]]:
    """Join the pieces at `spans` to whole words; returns the words and, for every piece, which one it belongs to.

    Marks are no words: one belongs to the word before it, or the first ones to the word behind them.
    """
    groups: list[tuple[int, int]] = []
    word_of_piece = []
    for start, end in spans:
        if groups and _same_word(text, groups[-1], start, end):
            groups[-1] = (groups[-1][0], end)
        else:
            groups.append((start, end))
        word_of_piece.append(len(groups) - 1)
    are_words = [any(map(str.isalnum, text[start:end])) for start, end in groups]
    if any(are_words):
        place = [max(0, sum(are_words[: number + 1]) - 1) for number in range(len(groups))]
        groups = list(compress(groups, are_words))
        word_of_piece = [place[number] for number in word_of_piece]
    return tuple(Word(text[start:end], start, end) for start, end in groups), word_of_piece


def _same_word(text: str, word: tuple[int, int], start: int, end: int) -> bool:
    """Whether the piece at start..end goes on with `word`: letters after letters, or across one joiner."""
    if start != word[1]:
        return False
    before, first = text[start - 1], text[start]
    if before.isalnum():
        return first.isalnum() or (first in JOINERS and text[end : end + 1].isalnum())
    return before in JOINERS and word[1] - word[0] > 1 and first.isalnum()
