"""The queries that a model answers best and worst, chosen from a score matrix, and laid out on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.drawing import INK, PAPER
from model.evaluation.ranks import Owners, Scores, text_to_image_ranks

CELL_WIDTH, CELL_HEIGHT, TITLE_HEIGHT = 720, 480, 52
TITLE_LENGTH: Final = 66  # letters that fit


@dataclass(frozen=True, slots=True)
class TellingQuery:
    sentence: int
    image: int  # the right one
    rival: int  # the best of the others
    rank: int  # of the right one, 0-based


@dataclass(frozen=True, slots=True)
class Cell:
    title: str
    picture: Image.Image


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


def draw_sheet(rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """One row of cells below the other."""
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * CELL_WIDTH, len(rows) * (CELL_HEIGHT + TITLE_HEIGHT)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for down, row in enumerate(rows):
        for across, cell in enumerate(row):
            left, top = across * CELL_WIDTH, down * (CELL_HEIGHT + TITLE_HEIGHT)
            pen.text((left + 12, top + 18), _shortened(cell.title), fill=INK, font=font)
            picture = cell.picture.copy()
            picture.thumbnail((CELL_WIDTH - 24, CELL_HEIGHT - 12))
            sheet.paste(picture, (left + 12, top + TITLE_HEIGHT))
    return sheet


def _shortened(title: str) -> str:
    return title if len(title) <= TITLE_LENGTH else f"{title[: TITLE_LENGTH - 1]}…"
