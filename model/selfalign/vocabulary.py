"""Sentences as the words that VSRN reads."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model.errors import BadCheckpoint

PAD, START, END, UNKNOWN = "<pad>", "<start>", "<end>", "<unk>"
SPECIAL: Final = (PAD, START, END, UNKNOWN)

# Words as the Penn Treebank has them, which is how NLTK's word_tokenize had split the captions it was trained on.
MARKS: Final = (
    (r"^\"", r"`` "),
    (r"(?<!\S)'(?!(?:s|m|d|t|re|ve|ll|n)\b)(?=\w)", r"' "),
    (r"(``)", r" \1 "),
    (r"([ (\[{<])(\"|'{2})", r"\1 `` "),
    (r"([:,])([^\d])", r" \1 \2"),
    (r"([:,])$", r" \1 "),
    (r"\.\.\.", r" ... "),
    (r"[;@#$%&]", r" \g<0> "),
    (r"([^.])(\.)([\])}>\"'\u00bb\u201d\u2019 ]*)\s*$", r"\1 \2 \3 "),  # the full stop at the end alone
    (r"[?!]", r" \g<0> "),
    (r"([^'])' ", r"\1 ' "),
    (r"[\]\[(){}<>]", r" \g<0> "),
    (r"--", r" -- "),
)
CONTRACTIONS: Final = (
    (r"\"", r" '' "),
    (r"(\S)('')", r"\1 \2 "),
    (r"([^' ])('s|'m|'d|') ", r"\1 \2 "),
    (r"([^' ])('ll|'re|'ve|n't) ", r"\1 \2 "),
    (r"\b(can)(not)\b", r" \1 \2 "),
    (r"\b(gon|got|wan)(na|ta)\b", r" \1 \2 "),
    (r"\b(gim|lem)(me)\b", r" \1 \2 "),
)
END_OF_SENTENCE: Final = re.compile(r"(?:(?<=\w\w\.)|(?<=[?!]))\s+")  # one letter and a full stop are an abbreviation


class Vocabulary:
    """Known words by their number; a sentence stands between a start and an end, and what is not known is one word."""

    def __init__(self, words: Sequence[str]) -> None:
        if tuple(words[: len(SPECIAL)]) != SPECIAL:
            raise BadCheckpoint(f"a vocabulary begins with {', '.join(SPECIAL)}, not with {', '.join(words[:4])}")
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(words)}

    def __len__(self) -> int:
        return len(self.words)

    def __call__(self, sentence: str) -> list[int]:
        unknown, numbers = self._numbers[UNKNOWN], self._numbers
        words = [numbers.get(word, unknown) for word in treebank_words(sentence.lower())]
        return [numbers[START], *words, numbers[END]]

    def write_vocabulary(self, path: Path) -> None:
        path.write_text("".join(f"{word}\n" for word in self.words), encoding="utf-8")


def read_vocabulary(path: Path) -> Vocabulary:
    try:
        return Vocabulary(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadCheckpoint(f"{path} is not a vocabulary: {error}") from error


def treebank_words(text: str) -> list[str]:
    words = []
    for sentence in END_OF_SENTENCE.split(text.strip()):
        for pattern, replacement in MARKS:
            sentence = re.sub(pattern, replacement, sentence)
        sentence = f" {sentence} "
        for pattern, replacement in CONTRACTIONS:
            sentence = re.sub(pattern, replacement, sentence)
        words += sentence.split()
    return words
