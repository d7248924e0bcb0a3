"""A picture of an explanation."""

import pytest
from PIL import Image, ImageChops

from model.drawing import LEGEND_WIDTH, LONGEST_SIDE, SHORTEST_SIDE, DrawnWord, draw_words


@pytest.mark.parametrize("side", [1.0, 0.3, 1 / 28, 0.0])
def test_regions_of_every_size_are_drawn_for_many_words(side: float) -> None:
    photograph = Image.new("RGB", (96, 72), "white")
    box = (0.5 - side / 2, 0.5 - side / 2, 0.5 + side / 2, 0.5 + side / 2)
    words = [DrawnWord(f"word{number}", box, 0.1) for number in range(8)]
    drawn = draw_words(photograph, words, score=0.8).crop((0, 0, SHORTEST_SIDE, SHORTEST_SIDE * 72 // 96))
    assert ImageChops.difference(drawn, Image.new("RGB", drawn.size, "white")).getbbox() is not None


def test_a_small_photograph_is_drawn_larger_and_a_large_one_smaller() -> None:
    for side, drawn_side in ((96, SHORTEST_SIDE), (600, 600), (4000, LONGEST_SIDE)):
        drawn = draw_words(Image.new("RGB", (side, side // 2)), [], score=0.0)
        assert drawn.size == (drawn_side + LEGEND_WIDTH, drawn_side // 2)
