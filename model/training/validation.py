"""How good a model is on the images held out, in the numbers of the log; the sum of all recalls says which is best."""

from typing import Final

from model.evaluation.ranks import Metrics, rsum
from model.training.loop import Validation

METRICS: Final = ("t2i_r1", "t2i_r5", "t2i_r10", "i2t_r1", "i2t_r5", "i2t_r10", "rsum")


def validation_of(to_image: Metrics, to_text: Metrics) -> Validation:
    values = (to_image.r1, to_image.r5, to_image.r10, to_text.r1, to_text.r5, to_text.r10, rsum(to_image, to_text))
    return Validation(values[-1], dict(zip(METRICS, values, strict=True)))
