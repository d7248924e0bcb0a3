"""A picture of an evaluation: recall at every depth, and how many queries found their answer at which rank."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.drawing import COLOURS, INK, PAPER
from model.evaluation.ranks import Ranks

WIDTH, HEIGHT, MARGIN = 720, 420, 60  # of each of the two panels
DEPTH: Final = 100  # of the recall curve
ENDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # of the ranges of the histogram: ranks that count from one


def plot_ranks(named: dict[str, Ranks], *, items: int) -> Image.Image:
    """`named`: the ranks of each direction of retrieval, 0-based, among as many `items` at most."""
    picture = Image.new("RGB", (2 * WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    ranges = rank_ranges(items)
    _draw_axes(pen, left=0, title="Recall@K in percent, K = 1 to 100", marks={0: "1", 0.5: "10", 1: "100"})
    told = [f"{first}-{last}" if first < last else str(first) for first, last in ranges]
    marks = {place / len(ranges): mark for place, mark in enumerate(told)}
    _draw_axes(pen, left=WIDTH, title="Share of the queries by rank, in percent", marks=marks)
    for number, (name, ranks) in enumerate(named.items()):
        colour = COLOURS[(1, 5)[number % 2]]
        curve = [_point(np.log10(k) / np.log10(DEPTH), recall) for k, recall in enumerate(recalls(ranks), start=1)]
        pen.line(curve, fill=colour, width=3)
        for place, share in enumerate(shares(ranks, ranges)):
            left, top = _point(place / len(ranges), share)
            left += WIDTH + 22 * number
            pen.rectangle((left, top, left + 18, HEIGHT - MARGIN), fill=colour)
        pen.text((MARGIN + 12, MARGIN + 24 * number), name, fill=colour, font=ImageFont.load_default(18))
    return picture


def rank_ranges(items: int) -> list[tuple[int, int]]:
    """First and last rank of each bar: up to ENDS, and then all that are left among so many items."""
    ends = [*(end for end in ENDS if end < items), items]
    return [(before + 1, end) for before, end in pairwise([0, *ends])]


def recalls(ranks: Ranks) -> list[float]:
    """Recall@K in percent for K = 1 to DEPTH."""
    return [100.0 * float(np.mean(ranks < k)) for k in range(1, DEPTH + 1)]


def shares(ranks: Ranks, ranges: Sequence[tuple[int, int]]) -> list[float]:
    """Percent of the queries whose rank, counted from one, lies in each of the ranges."""
    return [100.0 * float(np.mean((ranks + 1 >= first) & (ranks + 1 <= last))) for first, last in ranges]


def _draw_axes(pen: ImageDraw.ImageDraw, *, left: int, title: str, marks: dict[float, str]) -> None:
    """`marks` by their share of the width."""
    font = ImageFont.load_default(15)
    pen.text((left + WIDTH / 2, 24), title, fill=INK, font=font, anchor="mm")
    for percent in (0, 25, 50, 75, 100):
        _, height = _point(0, percent)
        pen.line((left + MARGIN, height, left + WIDTH - MARGIN / 2, height), fill="#DDDDDD" if percent else INK)
        pen.text((left + MARGIN - 8, height), str(percent), fill=INK, font=font, anchor="rm")
    for share, mark in marks.items():
        across, _ = _point(share, 0)
        pen.text((left + across, HEIGHT - MARGIN + 16), mark, fill=INK, font=ImageFont.load_default(12), anchor="lm")


def _point(share: float, percent: float) -> tuple[float, float]:
    """Where a value lies in a panel; `share` of its width."""
    return MARGIN + share * (WIDTH - 1.5 * MARGIN), HEIGHT - MARGIN - percent / 100 * (HEIGHT - 2 * MARGIN)
