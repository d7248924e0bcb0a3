"""A picture of an explanation: the words of a sentence and the regions that answered them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont, ImageOps

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
INK, PAPER = "#222222", "#FFFFFF"
LONGEST_SIDE, SHORTEST_SIDE = 1024, 448  # of the photograph's longer side: in smaller ones boxes hide each other
LEGEND_WIDTH: Final = 320


@dataclass(frozen=True, slots=True)
class DrawnWord:
    text: str
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of width and height
    contribution: float


def draw_words(
    photograph: Image.Image, words: Sequence[DrawnWord], *, score: float, longest_side: int = LONGEST_SIDE
) -> Image.Image:
    """The photograph with a numbered box for every word; beside it the words and their shares of the score."""
    photograph = photograph.convert("RGB")
    photograph.thumbnail((longest_side, longest_side))
    if max(photograph.size) < SHORTEST_SIDE:
        photograph = ImageOps.contain(photograph, (SHORTEST_SIDE, SHORTEST_SIDE))
    line = 26
    height = max(photograph.height, (len(words) + 3) * line)
    picture = Image.new("RGB", (photograph.width + LEGEND_WIDTH, height), PAPER)
    picture.paste(photograph)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(18)
    for number, word in enumerate(words):
        _draw_box(pen, word, number, size=photograph.size)
        top, left = line // 2 + number * line, photograph.width + 16
        pen.rectangle((left, top + 3, left + 14, top + 17), fill=_colour(number))
        pen.text((left + 24, top), f"{number + 1}  {word.text[:20]}", fill=INK, font=font)
        pen.text((left + LEGEND_WIDTH - 32, top), f"{word.contribution:+.3f}", fill=INK, font=font, anchor="ra")
    pen.text((photograph.width + 40, line + len(words) * line), f"score {score:.3f}", fill=INK, font=font)
    return picture


def _draw_box(pen: ImageDraw.ImageDraw, word: DrawnWord, number: int, *, size: tuple[int, int]) -> None:
    width, height = size
    x0, y0, x1, y1 = word.box
    # So that words which share a region can be told apart, if it has room for that.
    inset = min(4 * (number % 6), (x1 - x0) * width / 3, (y1 - y0) * height / 3)
    left, top = x0 * width + inset, y0 * height + inset
    right, bottom = max(left, x1 * width - inset - 1), max(top, y1 * height - inset - 1)
    pen.rectangle((left, top, right, bottom), outline=_colour(number), width=3)
    label = f"{number + 1} {word.text[:16]}"
    font = ImageFont.load_default(16)
    top += 18 * (number % 6)
    pen.rectangle(pen.textbbox((left + 4, top + 2), label, font=font), fill=INK)
    pen.text((left + 4, top + 2), label, fill=_colour(number), font=font)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
