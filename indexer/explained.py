"""Photographs into which the regions are drawn that answered the words of a sentence; they need not be indexed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from PIL import Image

from indexer.decode import decode, read_photograph, upright
from indexer.errors import DecodeError
from indexer.pictures import picture_of, pool_for, read_pictures
from model.drawing import LONGEST_SIDE, SHORTEST_SIDE, DrawnWord, draw_words
from model.embeddings import Picture
from model.encoder import Encoder
from model.evaluation.captions import CaptionedImage
from model.evaluation.contact_sheet import Cell, TellingQuery, draw_sheet, telling_queries
from model.evaluation.protocol import score_everything
from model.scoring import align

QUERIES: Final = 10  # of the best on a contact sheet, and of the worst
COLUMNS: Final = [
    f"{which} queries: {what}"
    for which in ("the best", "the worst")
    for what in ("the right photograph, and its rank", "the best of the other photographs")
]


class Watch(Protocol):
    def __call__(self, items: Iterator[Picture], *, total: int, what: str) -> Iterator[Picture]:
        """The same items, their progress shown."""


def explain_photograph(
    encoder: Encoder, image: Path, sentence: str, *, longest_side: int = LONGEST_SIDE
) -> tuple[Image.Image, float]:
    """The drawn picture and the score. Raises DecodeError with the file's name."""
    try:
        data = read_photograph(image)
        decoded = decode(data, framing=encoder.framing)
    except DecodeError as error:
        raise DecodeError(error.code, f"{image}: {error}") from error
    (embedding,) = encoder.encode_images([picture_of(decoded, name=image.name)])
    (query,) = encoder.encode_sentences([sentence])
    answers = align(encoder.score_spec, embedding.channels, query)
    boxes = embedding.boxes.tolist()
    words = [DrawnWord(query.words[a.word].text, tuple(boxes[a.region]), a.contribution) for a in answers]
    score = sum(answer.contribution for answer in answers)
    return draw_words(upright(data), words, score=score, longest_side=longest_side), score


def explain_queries(
    encoder: Encoder, captioned: Sequence[CaptionedImage], folder: Path, *, watch: Watch
) -> Image.Image:
    """For every telling query the right image and its best rival, the best ones left and the worst ones right."""
    files = [folder / one.image for one in captioned]
    sentences = [caption for one in captioned for caption in one.captions]
    with pool_for(encoder) as pool:
        pictures = watch(read_pictures(pool, files), total=len(files), what="images")
        scores, owners = score_everything(encoder, pictures, [one.captions for one in captioned])

    def cells(query: TellingQuery) -> list[Cell]:
        sentence = sentences[query.sentence]
        right, rival = (
            explain_photograph(encoder, files[row], sentence, longest_side=SHORTEST_SIDE)[0]
            for row in (query.image, query.rival)
        )
        return [Cell(f"rank {query.rank + 1}: {sentence}", right), Cell("", rival)]

    best, worst = telling_queries(scores, owners, count=QUERIES)
    return draw_sheet(COLUMNS, [[*cells(good), *cells(bad)] for good, bad in zip(best, worst, strict=True)])
