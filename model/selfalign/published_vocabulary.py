"""The vocabularies that VSRN was published with: pickles of a small class, read without running anything in them."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from model.errors import BadCheckpoint
from model.selfalign.vocabulary import Vocabulary


class _Plain:
    """Stands for the pickled class; it only keeps the attributes that it is given."""


def _reconstruct(kind: Any, *_: Any) -> _Plain:  # noqa: ANN401  whatever a pickle of protocol 0 or 1 gives
    return _Plain()


# The class itself under the names it was pickled with, and how pickles of Python 2 make an object of it.
HARMLESS: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("vocab", "Vocabulary"): _Plain,
    ("__main__", "Vocabulary"): _Plain,
    ("copy_reg", "_reconstructor"): _reconstruct,
    ("copyreg", "_reconstructor"): _reconstruct,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in HARMLESS:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a vocabulary")
        return HARMLESS[module, name]


def read_published_vocabulary(path: Path) -> Vocabulary:
    try:
        with path.open("rb") as file:
            content = _PlainUnpickler(file, encoding="utf-8").load()
    except (OSError, pickle.UnpicklingError, EOFError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadCheckpoint(f"{path} is not a vocabulary: {error}") from error
    words = vars(content).get("idx2word") if isinstance(content, _Plain) else None
    if isinstance(words, dict) and set(words) == set(range(len(words))):
        return Vocabulary([str(words[number]) for number in range(len(words))])
    raise BadCheckpoint(f"{path} is not a vocabulary: it must number its words from 0, in `idx2word`")
