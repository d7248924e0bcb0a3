"""What every system of encoders is to the rest of the project."""

from collections.abc import Sequence
from typing import Protocol

from model.embeddings import ImageEmbedding, Picture, SentenceEmbedding
from model.framing import Framing
from model.scoring import ScoreSpec


class Encoder(Protocol):
    """A picture and a sentence are encoded apart from one another; only `score_spec` says how they are compared.

    Encodings do not depend on what else is in the batch.
    """

    @property
    def name(self) -> str:
        """Short and readable, for people: it is not an identity."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of weights, configuration and tokeniser: two encoders with the same one give the same vectors."""

    @property
    def score_spec(self) -> ScoreSpec: ...

    @property
    def channel_widths(self) -> dict[str, int]:
        """The D of every channel."""

    @property
    def framing(self) -> Framing:
        """What is made of photographs before they come here."""

    def encode_images(self, pictures: Sequence[Picture]) -> list[ImageEmbedding]: ...

    def encode_sentences(self, sentences: Sequence[str]) -> list[SentenceEmbedding]:
        """Raises BadSentence for a sentence without words or with too many."""
