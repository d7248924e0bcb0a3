"""The sizes and switches of a TERAN (Messina et al., TOMM 2021); the defaults are the published ones."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from model.errors import BadCheckpoint
from model.scoring import Pooling


class BoxEncodingKind(StrEnum):
    CONCAT_AND_PROCESS = "concat-and-process"
    PROJECT_AND_SUM = "project-and-sum"
    NONE = "none"


class AggregationKind(StrEnum):
    """How the vectors of one side become its global vector, which the alignment score never uses."""

    FIRST = "first"
    SUM = "sum"
    SUM_AND_MAP = "sum-and-map"
    GATED = "gated"
    GRU = "gru"


@dataclass(frozen=True, slots=True)
class BertSizes:
    """The truncated BERT: `layers` is how many are kept of those it was trained with."""

    vocabulary: int = 30522
    width: int = 768
    layers: int = 6
    heads: int = 12
    feedforward: int = 3072
    positions: int = 512
    token_types: int = 2
    layer_norm_eps: float = 1e-12


@dataclass(frozen=True, slots=True)
class TeranConfig:
    feature_width: int = 2048  # F, of a region as the detector gives it
    embedding_width: int = 1024  # D
    image_layers: int = 4
    joint_layers: int = 2
    heads: int = 4
    feedforward: int = 2048  # of every layer, whatever its width
    dropout: float = 0.1
    box_encoding: BoxEncodingKind = BoxEncodingKind.CONCAT_AND_PROCESS
    shared_joint: bool = False  # one transformer over both sides in place of one each
    text_aggregation: AggregationKind = AggregationKind.FIRST
    image_aggregation: AggregationKind = AggregationKind.FIRST
    pooling: Pooling = Pooling.MR_SW
    stopwords: tuple[str, ...] = ()  # pieces left out of the score after they were encoded
    # The last word piece never takes part in a score: in captions it is the full stop. So a query without one gets one.
    append_full_stop: bool = True
    bert: BertSizes = field(default_factory=BertSizes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TeranConfig":
        try:
            return cls(
                **{
                    **values,
                    "box_encoding": BoxEncodingKind(values["box_encoding"]),
                    "text_aggregation": AggregationKind(values["text_aggregation"]),
                    "image_aggregation": AggregationKind(values["image_aggregation"]),
                    "pooling": Pooling(values["pooling"]),
                    "stopwords": tuple(values["stopwords"]),
                    "bert": BertSizes(**values["bert"]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadCheckpoint(f"this is not a TERAN configuration: {error}") from error
