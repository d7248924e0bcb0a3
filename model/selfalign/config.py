"""The sizes and switches of SelfAlign on its two bases, CAMERA and VSRN (Zhuang et al., arXiv 2308.14009).

What the published code does otherwise than it means to is a switch, off by default; weights that were trained so need
it on, and their import puts it on.
"""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from model.errors import BadCheckpoint
from model.teran.config import BertSizes

CAMERA_BERT = BertSizes(layers=12)


class Scaling(StrEnum):
    """What is brought to length one in the vectors [N, L, D] of a set."""

    VECTOR = "vector"
    FEATURE = "feature"  # as published: every feature over the L places
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CameraConfig:
    feature_width: int = 2048  # F
    embedding_width: int = 2048  # D
    heads: int = 64
    views: int = 12  # of an image
    max_words: int = 32  # word pieces, the special ones included
    context_relu: bool = True
    scaling: Scaling = Scaling.VECTOR
    padding_counts: bool = False  # as published: padding up to max_words takes part in attention and means
    cut_long_sentences: bool = False  # as published; otherwise they are refused
    bert_dropout: bool = False  # as published: BERT is frozen, and yet drops out while the rest is trained
    bert: BertSizes = field(default=CAMERA_BERT)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "CameraConfig":
        try:
            return cls(**{**values, "scaling": Scaling(values["scaling"]), "bert": BertSizes(**values["bert"])})
        except (KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(f"this is not a CAMERA configuration: {error}") from error


@dataclass(frozen=True, slots=True)
class VsrnConfig:
    vocabulary: int = 8481  # words, the four special ones included; as in what was trained on Flickr30k
    feature_width: int = 2048  # F
    embedding_width: int = 2048  # D
    word_width: int = 300
    context_relu: bool = True
    feature_scaling: Scaling = Scaling.VECTOR  # of regions as they come in; none in what was trained on Flickr30k
    scaling: Scaling = Scaling.VECTOR
    image_norm: bool = False  # a batch norm at the end of the image side, in what was trained on Flickr30k
    padding_counts: bool = False  # as published: padding up to the longest sentence of a batch takes part in means

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "VsrnConfig":
        try:
            scalings = {name: Scaling(values[name]) for name in ("feature_scaling", "scaling")}
            return cls(**{**values, **scalings})
        except (KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(f"this is not a VSRN configuration: {error}") from error
