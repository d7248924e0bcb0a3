"""Which queries are telling, and the sheet they are drawn on."""

import numpy as np
from PIL import Image

from model.evaluation.contact_sheet import CELL_WIDTH, GAP, LINE, Cell, draw_sheet, telling_queries


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


def test_every_cell_has_its_place_below_the_heading_of_its_column():
    red, blue = (Image.new("RGB", (300, 200), colour) for colour in ("red", "blue"))
    row = [Cell("a dog", red), Cell("a ball", blue)]
    heading, one, two = (draw_sheet(["dogs", "balls"], [row] * rows) for rows in (0, 1, 2))
    assert two.height - one.height == one.height - heading.height > 200
    for column, colour in enumerate([(255, 0, 0), (0, 0, 255)]):
        place = (column * CELL_WIDTH + CELL_WIDTH // 2, one.height - 100)
        assert (one.getpixel(place), two.getpixel(place)) == (colour, colour)
    left, right = (heading.crop((x, 0, x + CELL_WIDTH, heading.height)) for x in (0, CELL_WIDTH))
    assert left.getextrema()[0][0] < 128 and left.tobytes() != right.tobytes()


def test_long_titles_are_wrapped_within_their_column():
    picture = Image.new("RGB", (300, 200), "white")
    short, long = (draw_sheet(["a", "b"], [[Cell(title, picture), Cell("", picture)]]) for title in ("a", "Dog " * 50))
    assert long.height >= short.height + 3 * LINE
    assert long.crop((CELL_WIDTH, LINE + 2 * GAP, *long.size)).getextrema() == ((255, 255),) * 3
