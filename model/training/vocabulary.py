"""A word-piece vocabulary learned from captions."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import BertWordPieceTokenizer


def learn_vocabulary(captions: Iterable[str], *, size: int, path: Path) -> None:
    """Write `vocab.txt` with at most `size` pieces of lower-cased text, BERT's special ones first."""
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    # Printable ASCII is always part of it, so that unseen words fall apart into letters and not into [UNK].
    alphabet = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    tokenizer.train_from_iterator(
        captions, vocab_size=size, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    path.write_text("".join(f"{piece}\n" for piece, _ in pieces), encoding="utf-8")
