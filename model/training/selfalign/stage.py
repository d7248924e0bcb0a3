"""What a recipe says of a stage that trains CAMERA or VSRN with the losses of SelfAlign."""

from dataclasses import dataclass, field
from typing import Literal

from model.training.optimization import Optimization


@dataclass(frozen=True, slots=True)
class CaptionerSizes:
    hidden: int = 512
    word_width: int = 300
    longest: int = 60  # words
    dropout: float = 0.2


@dataclass(frozen=True, slots=True)
class SelfAlignStage:
    name: str
    optimization: Optimization
    margin: float = 0.2
    hardest: bool = True  # only the worst wrong image and caption count in the ranking, as published
    images: int = 128  # of a batch, each with one of its captions
    negatives: int = 512  # places of others that the context of an item competes with
    prototypes: int = 1024
    still_epochs: int = 1  # in which the prototypes stay as they are, as published for CAMERA
    bert_lr: float = 0.0  # of CAMERA's BERT: 0 leaves it as it is, as published
    captioner: CaptionerSizes = field(default_factory=CaptionerSizes)  # of VSRN
    kind: Literal["selfalign"] = "selfalign"

    def __post_init__(self) -> None:
        if min(self.images, self.prototypes, self.captioner.longest) < 2 or self.negatives < 1 or self.still_epochs < 0:
            raise ValueError("images, prototypes and captioner.longest must be at least 2, negatives at least 1")
        if not (0 <= self.bert_lr < 1 and 0 <= self.captioner.dropout < 1):
            raise ValueError("bert_lr and captioner.dropout must lie in 0..1 without the 1")
