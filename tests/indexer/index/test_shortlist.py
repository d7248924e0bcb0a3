"""The shortlist holds what belongs to the best, and never what was deleted."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from indexer.commit import commit_segment
from indexer.index import shortlist as shortlist_file
from indexer.index.deletion import delete_images
from indexer.index.manifest import EncoderIdentity
from indexer.index.region_index import FLAT_BELOW
from indexer.index.search import search
from indexer.index.shortlist import shortlist
from indexer.index.snapshot import Snapshot, open_snapshot
from indexer.segment_writer import SegmentWriter
from model.embeddings import ImageEmbedding, SentenceEmbedding
from model.scoring import MaxSim, ScoreSpec, Term
from tests.indexer.index.tiny import commit_images, image_id, live_numbers, record_of, sentence_of

WIDTH, REGIONS = 32, 12
NO_BOXES = torch.zeros(0, 4)
LARGE = FLAT_BELOW // REGIONS + 100  # images that make a trained index
CONCEPTS = EncoderIdentity("3" * 64, "concepts", ScoreSpec((Term("regions", MaxSim()),)), {"regions": WIDTH})


class World:
    """Images draw few of many concepts; all regions of an image lean towards what they have in common."""

    def __init__(self, images: int) -> None:
        self.random = torch.Generator().manual_seed(0)
        self.concepts = self.noise(300, WIDTH)
        self.drawn = torch.randint(300, (images, 4), generator=self.random)
        self.context = 0.6 * self.noise(images, WIDTH)

    def noise(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random)

    def image(self, number: int) -> ImageEmbedding:
        regions = self.concepts[self.drawn[number].repeat(REGIONS // 4)] + self.context[number]
        vectors = F.normalize(regions + 0.5 * self.noise(REGIONS, WIDTH), dim=1)
        return ImageEmbedding({"regions": vectors}, boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(REGIONS, 1))

    def sentence_about(self, number: int) -> SentenceEmbedding:
        """Eight words: the concepts of an image, weakly, and as many that say little."""
        words = torch.cat([self.concepts[self.drawn[number]], 0.5 * self.noise(4, WIDTH)]) + self.context[number]
        return SentenceEmbedding("", {"regions": F.normalize(words + 0.7 * self.noise(8, WIDTH), dim=1)}, (), Tensor())


def write_world(collection: Path, world: World, *, segments: list[range]) -> Snapshot:
    for numbers in segments:
        write_segment(collection, {number: world.image(number) for number in numbers})
    return open_snapshot(collection)


def write_segment(collection: Path, images: dict[int, ImageEmbedding]) -> None:
    with SegmentWriter(collection, channel_widths={"regions": WIDTH}, shortlist_channel="regions") as writer:
        for number, image in images.items():
            writer.add(record_of(number), image, b"")
        entry = writer.finish()
        assert entry is not None
        commit_segment(collection, entry, encoder=CONCEPTS)


@pytest.mark.parametrize(
    ("segments", "recall"),
    [
        ([range(2100)], 0.85),
        ([range(200), range(200, LARGE + 200), range(LARGE + 200, 2100)], 0.85),
        ([range(first, first + 300) for first in range(0, 2100, 300)], 0.95),
    ],
    ids=["one large", "large and small", "small"],
)
def test_most_of_the_best_are_on_the_shortlist(tmp_path: Path, segments: list[range], recall: float) -> None:
    world = World(2100)
    snapshot = write_world(tmp_path, world, segments=segments)
    found = 0
    for number in range(0, 1000, 50):
        sentence = world.sentence_about(number)
        best, fast = (search(snapshot, sentence, limit=10, shortlist_size=size).hits for size in (2100, 100))
        found += len({hit.id for hit in best} & {hit.id for hit in fast})
    assert found >= recall * 20 * 10


def test_as_many_are_shortlisted_as_were_asked_for(tmp_path: Path) -> None:
    world = World(LARGE)
    snapshot = write_world(tmp_path, world, segments=[range(LARGE)])
    for size in (1, 7, 500, LARGE - 1):
        rows = shortlist(snapshot, world.sentence_about(3), size=size).rows
        assert len(set(rows.tolist())) == len(rows) == size


def test_few_images_are_all_shortlisted_in_their_order(tmp_path: Path) -> None:
    commit_images(tmp_path, range(8))
    delete_images(tmp_path, [image_id(2)])
    rows = shortlist(open_snapshot(tmp_path), sentence_of(0), size=7).rows
    assert rows.tolist() == [0, 1, 3, 4, 5, 6, 7]


def test_the_deleted_are_never_shortlisted(tmp_path: Path) -> None:
    for first in (0, 20):
        commit_images(tmp_path, range(first, first + 20))
    delete_images(tmp_path, [image_id(number) for number in range(0, 40, 2)])
    snapshot = open_snapshot(tmp_path)
    for size in (1, 5, 19):
        rows = set(shortlist(snapshot, sentence_of(size), size=size).rows.tolist())
        assert len(rows) == size and rows <= set(snapshot.live_rows.tolist())


def test_the_same_question_gets_the_same_answer(tmp_path: Path) -> None:
    commit_images(tmp_path, range(30))
    first, second = (shortlist(open_snapshot(tmp_path), sentence_of(1), size=10).rows.tolist() for _ in range(2))
    assert first == second


def test_the_best_come_first(tmp_path: Path) -> None:
    commit_images(tmp_path, range(30))
    snapshot, sentence = open_snapshot(tmp_path), sentence_of(2)
    rows = shortlist(snapshot, sentence, size=20).rows.tolist()  # a segment this small is searched exactly
    exact = [(snapshot.channels(row)["regions"] @ sentence.channels["regions"].T).amax(0).sum() for row in rows[:5]]
    assert exact == sorted(exact, reverse=True)
    assert len(live_numbers(snapshot)) == 30


def test_what_no_word_found_is_no_better_for_lying_in_a_good_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist_file, "FEWEST", 2)
    monkeypatch.setattr(shortlist_file, "REGIONS", 0)  # so that each of two words finds two of three images a segment
    for first, cosines in ((0, [(0.3, 0.5), (0.2, 0.1), (0.0, 0.0)]), (3, [(0.95, 0.0), (0.94, 0.0), (0.0, -0.1)])):
        vectors = [F.pad(torch.tensor([pair]), (0, WIDTH - 2)) for pair in cosines]
        write_segment(tmp_path, {first + n: ImageEmbedding({"regions": v}, NO_BOXES) for n, v in enumerate(vectors)})
    sentence = SentenceEmbedding("", {"regions": torch.eye(2, WIDTH)}, (), torch.arange(2))
    assert shortlist(open_snapshot(tmp_path), sentence, size=3).rows.tolist() == [3, 4, 0]
