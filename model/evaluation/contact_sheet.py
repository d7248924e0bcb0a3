"""The queries that a model answers best and worst, chosen from a score matrix, and laid out on one sheet."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from model.drawing import INK, PAPER
from model.evaluation.ranks import Owners, Scores, text_to_image_ranks

CELL_WIDTH, GAP, LINE = 560, 12, 20
PICTURE_SIZE: Final = (CELL_WIDTH - 2 * GAP, 360)  # at most
LETTERS: Final = 62  # of a line of a title


@dataclass(frozen=True, slots=True)
class TellingQuery:
    sentence: int
    image: int  # the right one
    rival: int  # the best of the others
    rank: int  # of the right one, 0-based


@dataclass(frozen=True, slots=True)
class Cell:
    title: str
    picture: Image.Image | None = None


def telling_queries(scores: Scores, owners: Owners, *, count: int) -> tuple[list[TellingQuery], list[TellingQuery]]:
    """The best and the worst: by how far the right image lies before its best rival, or behind it."""
    sentences = np.arange(len(owners))
    right = scores[owners, sentences]  # [C]
    others = scores.copy()
    others[owners, sentences] = -np.inf
    rivals = others.argmax(axis=0)  # [C]
    lead = right - others[rivals, sentences]
    ranks = text_to_image_ranks(scores, owners)
    by_lead = np.argsort(-lead, kind="stable")

    def described(places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[TellingQuery]:
        return [TellingQuery(int(c), int(owners[c]), int(rivals[c]), int(ranks[c])) for c in places]

    return described(by_lead[:count]), described(by_lead[::-1][:count])


def draw_sheet(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """A heading above every column, and one row of cells below the other."""
    bands = [_band(row, columns=len(headings)) for row in ([Cell(heading) for heading in headings], *rows)]
    sheet = Image.new("RGB", (bands[0].width, sum(band.height for band in bands)), PAPER)
    for band, top in zip(bands, accumulate((band.height for band in bands), initial=0), strict=False):
        sheet.paste(band, (0, top))
    return sheet


def _band(cells: Sequence[Cell], *, columns: int) -> Image.Image:
    """A row, as high as its longest title and its highest picture ask for."""
    titles = [textwrap.wrap(cell.title, LETTERS) for cell in cells]
    pictures = [ImageOps.contain(cell.picture, PICTURE_SIZE) if cell.picture is not None else None for cell in cells]
    below = GAP + LINE * max(map(len, titles))
    height = below + max((picture.height for picture in pictures if picture is not None), default=0)
    band = Image.new("RGB", (columns * CELL_WIDTH, height + GAP), PAPER)
    pen, font = ImageDraw.Draw(band), ImageFont.load_default(16)
    for across, (lines, picture) in enumerate(zip(titles, pictures, strict=True)):
        left = across * CELL_WIDTH + GAP
        for number, line in enumerate(lines):
            pen.text((left, GAP / 2 + number * LINE), line, fill=INK, font=font)
        if picture is not None:
            band.paste(picture, (left, below))
    return band
