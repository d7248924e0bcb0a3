"""Captions that a model would not read in use are found before it is trained on them."""

from collections.abc import Callable, Iterable

from model.errors import BadRecipe, BadSentence


def check_readable(captions: Iterable[str], read: Callable[[str], object]) -> None:
    for caption in captions:
        try:
            read(caption)
        except BadSentence as error:
            raise BadRecipe(f"the caption {caption[:80]!r} cannot be trained with: {error}") from error
