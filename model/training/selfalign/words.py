"""The words of a VSRN, learned from captions."""

from collections import Counter
from collections.abc import Iterable

from model.selfalign.vocabulary import SPECIAL, Vocabulary, treebank_words


def learn_words(captions: Iterable[str], *, least: int) -> Vocabulary:
    """Those that occur `least` times or more, the commonest first."""
    counts = Counter(word for caption in captions for word in treebank_words(caption.lower()))
    known = sorted((word for word, count in counts.items() if count >= least), key=lambda word: (-counts[word], word))
    return Vocabulary((*SPECIAL, *(word for word in known if word not in SPECIAL)))
