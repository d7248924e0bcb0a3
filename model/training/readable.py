"""Captions that a model would not read in use are found before it is trained on them."""

from collections.abc import Callable, Iterable

from model.errors import BadRecipe, BadSentence
from model.training.data import CaptionedImages


def check_readable(parts: Iterable[CaptionedImages], read: Callable[[str], object]) -> None:
    for caption in (caption for part in parts for own in part.captions for caption in own):
        try:
            read(caption)
        except BadSentence as error:
            raise BadRecipe(f"the caption {caption[:80]!r} cannot be trained with: {error}") from error
