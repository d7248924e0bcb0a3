"""A picture of an evaluation: recall at every depth, and how many queries found their answer at which rank."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.drawing import COLOURS, INK, PAPER
from model.evaluation.ranks import Ranks

WIDTH, HEIGHT, MARGIN = 720, 420, 60  # of each of the two panels
DEPTH: Final = 100  # of the recall curve
EDGES: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # of the histogram: 0-based ranks


def plot_ranks(named: dict[str, Ranks]) -> Image.Image:
    """`named`: the ranks of each direction of retrieval, 0-based."""
    picture = Image.new("RGB", (2 * WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    _draw_axes(pen, left=0, title="Recall@K in percent, K = 1 to 100", marks=["1", "10", "100"])
    steps = [f"{edge + 1}+" for edge in EDGES]
    _draw_axes(pen, left=WIDTH, title="Share of the queries by rank, in percent", marks=steps)
    for number, (name, ranks) in enumerate(named.items()):
        colour = COLOURS[(1, 5)[number % 2]]
        curve = [_point(np.log10(k) / np.log10(DEPTH), recall) for k, recall in enumerate(recalls(ranks), start=1)]
        pen.line(curve, fill=colour, width=3)
        for place, share in enumerate(shares(ranks)):
            left, top = _point((place + 0.4 * number) / len(EDGES), share)
            pen.rectangle((WIDTH + left, top, WIDTH + left + 18, HEIGHT - MARGIN), fill=colour)
        pen.text((MARGIN + 12, MARGIN + 24 * number), name, fill=colour, font=ImageFont.load_default(18))
    return picture


def recalls(ranks: Ranks) -> list[float]:
    """Recall@K in percent for K = 1 to DEPTH."""
    return [100.0 * float(np.mean(ranks < k)) for k in range(1, DEPTH + 1)]


def shares(ranks: Ranks) -> list[float]:
    """Percent of the queries whose rank lies between each of EDGES and the next."""
    counts, _ = np.histogram(ranks, bins=[*EDGES, np.inf])
    return [100.0 * int(count) / len(ranks) for count in counts]


def _draw_axes(pen: ImageDraw.ImageDraw, *, left: int, title: str, marks: list[str]) -> None:
    font = ImageFont.load_default(15)
    pen.text((left + WIDTH / 2, 24), title, fill=INK, font=font, anchor="mm")
    for percent in (0, 25, 50, 75, 100):
        _, height = _point(0, percent)
        pen.line((left + MARGIN, height, left + WIDTH - MARGIN / 2, height), fill="#DDDDDD" if percent else INK)
        pen.text((left + MARGIN - 8, height), str(percent), fill=INK, font=font, anchor="rm")
    last = max(1, len(marks) - 1) if len(marks) == 3 else len(marks)
    for place, mark in enumerate(marks):
        across, _ = _point(place / last, 0)
        pen.text((left + across, HEIGHT - MARGIN + 16), mark, fill=INK, font=font, anchor="lm")


def _point(share: float, percent: float) -> tuple[float, float]:
    """Where a value lies in a panel; `share` of its width."""
    return MARGIN + share * (WIDTH - 1.5 * MARGIN), HEIGHT - MARGIN - percent / 100 * (HEIGHT - 2 * MARGIN)
