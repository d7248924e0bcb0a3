"""Draws pictures that all differ, and writes them to standard output as a tar archive: make_pictures.py NAME COUNT."""

import random
import sys
import tarfile
from io import BytesIO

from PIL import Image, ImageDraw

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black", "brown", "pink")


def main(name: str, count: int) -> None:
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for number in range(count):
            data = draw(seed=f"{name} {number}")
            entry = tarfile.TarInfo(f"{name}-{number:03}.jpg")
            entry.size = len(data)
            archive.addfile(entry, BytesIO(data))


def draw(*, seed: str) -> bytes:
    """A few coloured shapes on a coloured ground, as large as photographs are, so that decoding takes its time."""
    chance = random.Random(seed)
    picture = Image.new("RGB", (2400, 1800), chance.choice(COLOURS))
    pen = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = chance.randrange(2000), chance.randrange(1500)
        shape = chance.choice((pen.ellipse, pen.rectangle))
        shape((x, y, x + chance.randrange(100, 800), y + chance.randrange(100, 800)), fill=chance.choice(COLOURS))
    out = BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
