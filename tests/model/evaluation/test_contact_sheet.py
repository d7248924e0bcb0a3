"""Which queries are telling, and the sheet they are drawn on."""

import numpy as np
from PIL import Image

from model.evaluation.contact_sheet import TITLE_HEIGHT, Cell, draw_sheet, telling_queries


def test_the_best_lead_by_most_and_the_worst_lie_farthest_behind():
    generator = np.random.default_rng(0)
    scores, owners = generator.random((6, 30), dtype=np.float32), np.repeat(np.arange(6), 5)
    best, worst = telling_queries(scores, owners, count=4)
    leads = []
    for sentence, image in enumerate(owners):
        others = np.delete(scores[:, sentence], image)
        leads.append(scores[image, sentence] - others.max())
    order = sorted(range(30), key=lambda c: -leads[c])
    assert [query.sentence for query in best] == order[:4]
    assert [query.sentence for query in worst] == order[::-1][:4]
    for query in (*best, *worst):
        column = scores[:, query.sentence]
        assert query.rank == (column > column[query.image]).sum()
        assert query.rival != query.image and column[query.rival] == np.delete(column, query.image).max()


def test_every_cell_has_its_place_and_long_titles_are_cut():
    red, blue = (Image.new("RGB", (300, 200), colour) for colour in ("red", "blue"))
    one = draw_sheet([[Cell("a dog", red), Cell("a ball", blue)]])
    two = draw_sheet([[Cell("a dog", red), Cell("a ball", blue)], [Cell("a dog " * 100, red)]])
    assert two.size == (one.width, 2 * one.height)
    assert one.getpixel((20, TITLE_HEIGHT + 10)) == (255, 0, 0)
    assert one.getpixel((one.width // 2 + 20, TITLE_HEIGHT + 10)) == (0, 0, 255)
    assert two.crop((one.width // 2, one.height, *two.size)).getextrema() == ((255, 255),) * 3
    assert two.crop((one.width // 2 - 20, one.height, one.width // 2, two.height)).getextrema() == ((255, 255),) * 3
