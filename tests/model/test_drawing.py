"""A picture of an explanation."""

import pytest
from PIL import Image, ImageChops

from model.drawing import DrawnWord, draw_words


@pytest.mark.parametrize("side", [1.0, 0.3, 1 / 28, 0.0])
def test_regions_of_every_size_are_drawn_for_many_words(side: float) -> None:
    photograph = Image.new("RGB", (96, 72), "white")
    box = (0.5 - side / 2, 0.5 - side / 2, 0.5 + side / 2, 0.5 + side / 2)
    words = [DrawnWord(f"word{number}", box, 0.1) for number in range(8)]
    drawn = draw_words(photograph, words, score=0.8).crop((0, 0, 96, 72))
    assert ImageChops.difference(drawn, photograph).getbbox() is not None
