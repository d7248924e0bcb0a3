"""The sizes and switches of a HAT (Bin et al., ACM MM 2023); the defaults are the published ones."""

from dataclasses import asdict, dataclass, field
from typing import Any

from model.cross_attention import Direction
from model.errors import BadCheckpoint
from model.framing import Framing
from model.teran.config import BertSizes

LEVELS = (1, 2, 3)  # from fine to coarse
PATCH = 4  # pixels across
REDUCTION = 32  # pixels across a patch of the last stage


@dataclass(frozen=True, slots=True)
class SwinSizes:
    """Of four stages; the side of the pictures follows from the window, for the last stage is one window."""

    width: int = 128  # of the first stage; every further one has twice that of the one before
    depths: tuple[int, ...] = (2, 2, 18, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 7  # patches across
    drop_path: float = 0.1

    @property
    def picture_side(self) -> int:
        return REDUCTION * self.window


@dataclass(frozen=True, slots=True)
class HatConfig:
    width: int = 768  # D, in which both sides meet at every level
    swin: SwinSizes = field(default_factory=SwinSizes)
    bert: BertSizes = field(default_factory=lambda: BertSizes(layers=12))
    text_layers: tuple[int, ...] = (4, 10, 12)  # of BERT, counted from 1, for each level
    longest_sentence: int = 32  # word pieces, [CLS] and [SEP] included; what is longer is cut, as in its training
    directions: tuple[Direction, ...] = (Direction.I2T,)  # with several, the mean of their scores
    lambda_softmax: float = 9.0

    def __post_init__(self) -> None:
        known = range(1, self.bert.layers + 1)
        if len(self.text_layers) != len(LEVELS) or not all(layer in known for layer in self.text_layers):
            raise ValueError(
                f"text_layers are {self.text_layers}: they must be three layers of BERT's {known.stop - 1}"
            )

    @property
    def framing(self) -> Framing:
        """As published for 224 pixels, where 256 are cut; other sides in proportion."""
        side = self.swin.picture_side
        return Framing(side, shorter_side=round(side * 256 / 224))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "HatConfig":
        try:
            swin = values["swin"]
            return cls(
                **{
                    **values,
                    "swin": SwinSizes(**{**swin, "depths": tuple(swin["depths"]), "heads": tuple(swin["heads"])}),
                    "bert": BertSizes(**values["bert"]),
                    "text_layers": tuple(values["text_layers"]),
                    "directions": tuple(Direction(direction) for direction in values["directions"]),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadCheckpoint(f"this is not a HAT configuration: {error}") from error
