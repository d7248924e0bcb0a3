"""Sentences as the word pieces that CAMERA reads."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertTokenizer

from model.errors import BadCheckpoint, BadSentence


class WordPieces:
    def __init__(self, folder: Path | str) -> None:
        """`folder` in the Hugging Face layout, or a name on the hub."""
        if Path(folder).is_dir() and not (Path(folder) / "vocab.txt").is_file():
            raise BadCheckpoint(f"{folder} has no vocab.txt")  # transformers would go on with an empty one
        try:
            # As published: ideographs are not split from one another.
            tokenizer = BertTokenizer.from_pretrained(str(folder), tokenize_chinese_chars=False)
        except (OSError, ValueError) as error:
            raise BadCheckpoint(f"no tokeniser could be loaded from {folder}: {error}") from error
        self._pieces = tokenizer.backend_tokenizer
        self._pieces.no_truncation()
        self._pieces.no_padding()
        self._pieces.encode_special_tokens = True  # "[SEP]" in a sentence is text

    def __len__(self) -> int:
        return int(self._pieces.get_vocab_size())

    def write_vocabulary(self, path: Path) -> None:
        pieces = sorted(self._pieces.get_vocab().items(), key=lambda piece: piece[1])
        path.write_text("".join(f"{piece}\n" for piece, _ in pieces), encoding="utf-8")

    def __call__(self, sentence: str, *, longest: int, cut: bool) -> list[int]:
        """The ids with [CLS] and [SEP]; what is longer than `longest` is cut, or refused with BadSentence."""
        ids: list[int] = self._pieces.encode(sentence).ids
        if len(ids) <= longest:
            return ids
        if not cut:
            raise BadSentence(
                f"the sentence has {len(ids) - 2} word pieces; this model reads at most {longest - 2}: shorten it"
            )
        return [*ids[: longest - 1], ids[-1]]


def pad_ids(sentences: Sequence[Sequence[int]], *, width: int | None = None) -> tuple[Tensor, Tensor]:
    """Ids [N, T] with zeros behind each sentence, and the lengths [N]; T is that of the longest unless given."""
    lengths = torch.tensor([len(ids) for ids in sentences])
    padded = torch.zeros(len(sentences), width or int(lengths.max()), dtype=torch.long)
    for row, ids in enumerate(sentences):
        padded[row, : len(ids)] = torch.tensor(ids)
    return padded, lengths
