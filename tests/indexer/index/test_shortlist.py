"""Few images are searched exactly, many keep the promised recall, and the deleted are never found."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from indexer import region_coder
from indexer.commit import commit_segment
from indexer.index import shortlist
from indexer.index.deletion import delete_images
from indexer.index.inspection import inspect_collection
from indexer.index.manifest import EncoderIdentity, read_manifest
from indexer.index.search import search
from indexer.index.segment import read_head
from indexer.index.shortlist import LEAST, TOP, find_candidates
from indexer.index.snapshot import Snapshot, open_snapshot
from indexer.index.verify import verify_collection
from indexer.merge import merge
from indexer.segment_writer import SegmentWriter
from model.embeddings import ImageEmbedding, SentenceEmbedding
from model.scoring import MaxSim, Pooling, ScoreSpec, Term
from tests.indexer.index.tiny import image_id, record_of

WIDTH, REGIONS, IMAGES = 32, 8, 1600
FEW = 600 * REGIONS  # regions that make codebooks in these tests


def identity(pooling: Pooling = Pooling.MR_SW) -> EncoderIdentity:
    return EncoderIdentity("3" * 64, "concepts", ScoreSpec((Term("regions", MaxSim(pooling)),)), {"regions": WIDTH})


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
        kept = int(torch.randint(4, REGIONS + 1, (), generator=self.random)) if number % 2 else REGIONS
        return ImageEmbedding({"regions": vectors[:kept]}, boxes=torch.zeros(0, 4))

    def sentence_about(self, number: int, *, words: int = 8) -> SentenceEmbedding:
        """The concepts of an image, weakly, and as many words that say little; always the same."""
        concepts = self.concepts[self.drawn[number]].repeat(words // 8 + 1, 1)[: words // 2]
        random = torch.Generator().manual_seed(number)
        little, noise = (torch.randn(count, WIDTH, generator=random) for count in (words - len(concepts), words))
        vectors = torch.cat([concepts, 0.5 * little]) + self.context[number]
        return SentenceEmbedding("", {"regions": F.normalize(vectors + 0.7 * noise, dim=1)}, (), Tensor())


def write_segments(collection: Path, world: World, segments: list[range], *, encoder: EncoderIdentity) -> Snapshot:
    for numbers in segments:
        with SegmentWriter(collection, channel_widths={"regions": WIDTH}, shortlist_channel="regions") as writer:
            for number in numbers:
                writer.add(record_of(number), world.image(number), b"")
            entry = writer.finish()
            assert entry is not None
            commit_segment(collection, entry, encoder=encoder)
    return open_snapshot(collection)


def brute_force(snapshot: Snapshot, sentence: SentenceEmbedding, limit: int) -> list[str]:
    words, scores = sentence.channels["regions"], {}
    for row in snapshot.live_rows.tolist():
        scores[snapshot.record(row).id] = float((snapshot.channels(row)["regions"] @ words.T).amax(0).sum())
    return sorted(scores, key=lambda found: (-scores[found], found))[:limit]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Snapshot]]:
    """Two segments with codes by the codebooks of the first, and a small one without; every tenth image is deleted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region_coder, "TRAINED_FROM", FEW)
        patch.setattr(region_coder, "CODED_FROM", FEW // 2)
        patch.setattr(shortlist, "WHOLE", FEW // REGIONS)
        patch.setattr(shortlist, "CODED", 0)
        collection, world = tmp_path_factory.mktemp("coded"), World(IMAGES)
        write_segments(collection, world, [range(900), range(900, 1500), range(1500, IMAGES)], encoder=identity())
        delete_images(collection, [image_id(number) for number in range(0, IMAGES, 10)])
        yield world, open_snapshot(collection)


def test_large_segments_are_coded_by_the_codebooks_of_the_first(coded: tuple[World, Snapshot]) -> None:
    first, second, small = (part.segment for part in coded[1].parts)
    assert first.codes is not None and second.codes is not None and small.codes is None
    np.testing.assert_array_equal(first.codes.codebooks.rows, second.codes.codebooks.rows)
    assert first.head.coding is not None and second.head.coding is not None
    assert first.head.coding.codebooks == second.head.coding.codebooks


def test_the_promised_recall_is_kept(coded: tuple[World, Snapshot]) -> None:
    world, snapshot = coded
    for recall in (0.9, 0.99):
        found = 0
        for number in range(0, 800, 20):
            sentence = world.sentence_about(number)
            hits = search(snapshot, sentence, limit=10, recall=recall).hits
            found += len({hit.id for hit in hits} & set(brute_force(snapshot, sentence, 10)))
        assert found >= recall * 40 * 10


def test_the_promised_recall_is_kept_where_a_filter_leaves_out_what_answers_best(
    coded: tuple[World, Snapshot],
) -> None:
    world, snapshot = coded
    found = 0
    for number in range(0, 400, 20):
        sentence, concepts = world.sentence_about(number), set(world.drawn[number].tolist())
        others = np.array([not concepts & set(drawn) for drawn in world.drawn.tolist()])
        allowed = snapshot.of_parts(
            replace(part, alive=part.alive & others[part.start : part.start + len(part.alive)])
            for part in snapshot.parts
        )
        assert 0.8 * snapshot.live_count < allowed.live_count < snapshot.live_count
        hits, exact = (search(allowed, sentence, limit=10, recall=recall).hits for recall in (0.99, 1.0))
        found += len({hit.id for hit in hits} & {hit.id for hit in exact})
    assert found >= 0.99 * 20 * 10


@pytest.mark.parametrize("words", [1, 16, 17, 60])
def test_exact_is_what_brute_force_finds(coded: tuple[World, Snapshot], words: int) -> None:
    world, snapshot = coded
    for number in range(0, 30, 3):
        sentence = world.sentence_about(number, words=words)
        hits = search(snapshot, sentence, limit=10, recall=1.0).hits
        assert [hit.id for hit in hits] == brute_force(snapshot, sentence, 10)


def test_fewer_are_scored_by_bytes_than_there_are_and_none_that_is_dead(coded: tuple[World, Snapshot]) -> None:
    world, snapshot = coded
    words = world.sentence_about(1).channels["regions"].numpy()
    (candidates,) = find_candidates(snapshot, [words], recall=0.9, limit=1)
    assert 90 + LEAST * TOP <= len(candidates.rows) < snapshot.live_count and not candidates.complete
    assert set(candidates.rows.tolist()) <= set(snapshot.live_rows.tolist())


def test_more_images_are_candidates_where_more_recall_or_more_of_the_best_are_wanted(
    coded: tuple[World, Snapshot],
) -> None:
    world, snapshot = coded
    words = world.sentence_about(2).channels["regions"].numpy()
    found = [
        set(find_candidates(snapshot, [words], recall=recall, limit=limit)[0].rows.tolist())
        for recall, limit in ((0.9, 1), (0.9, 10), (0.99, 10), (0.99, 100), (0.9999, 10))
    ]
    assert found[0] == found[1] < found[2] < found[3] <= found[4] == set(snapshot.live_rows.tolist())


def test_candidates_are_the_same_whatever_the_length_of_words(coded: tuple[World, Snapshot]) -> None:
    world, snapshot = coded
    words = world.sentence_about(3).channels["regions"].numpy()
    once, longer = find_candidates(snapshot, [words, 4 * words], recall=0.98, limit=10)
    np.testing.assert_array_equal(once.rows, longer.rows)


def test_where_a_filter_leaves_few_all_of_them_are_scored(coded: tuple[World, Snapshot]) -> None:
    world, snapshot = coded
    few = snapshot.of_parts(
        replace(part, alive=part.alive & (np.arange(len(part.alive)) % 4 == 1)) for part in snapshot.parts
    )
    words = world.sentence_about(4).channels["regions"].numpy()
    (candidates,) = find_candidates(few, [words], recall=0.9, limit=1)
    assert candidates.complete and len(candidates.rows) == few.live_count > 200


def test_of_images_that_all_answer_alike_none_is_passed_over(coded: tuple[World, Snapshot]) -> None:
    nothing = np.zeros((4, WIDTH), np.float32)
    (candidates,) = find_candidates(coded[1], [nothing], recall=0.9, limit=10)
    assert candidates.complete


@pytest.mark.parametrize("recall", [0.9, 1.0])
def test_of_many_sentences_each_has_the_candidates_it_has_alone(coded: tuple[World, Snapshot], recall: float) -> None:
    world, snapshot = coded
    sentences = [world.sentence_about(number, words=7 * number).channels["regions"].numpy() for number in range(1, 5)]
    together = find_candidates(snapshot, sentences, recall=recall, limit=10)
    for words, candidates in zip(sentences, together, strict=True):
        (alone,) = find_candidates(snapshot, [words], recall=recall, limit=10)
        np.testing.assert_array_equal(candidates.rows, alone.rows)
        np.testing.assert_array_equal(candidates.scores, alone.scores)
        assert candidates.complete == alone.complete and candidates.most_wrong == alone.most_wrong


def test_how_images_are_spread_over_segments_without_codes_changes_nothing(tmp_path: Path) -> None:
    answers = []
    for spread in ([range(200)], [range(first, first + 4) for first in range(0, 200, 4)]):
        world = World(200)  # anew, so that it draws the same
        snapshot = write_segments(tmp_path / str(len(spread)), world, spread, encoder=identity())
        hits = [search(snapshot, world.sentence_about(number), limit=10).hits for number in range(10)]
        answers.append([[hit.id for hit in some] for some in hits])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("pooling", [Pooling.MW_SR, Pooling.SYMM])
def test_other_poolings_are_scored_exactly_where_all_is_asked_for(tmp_path: Path, pooling: Pooling) -> None:
    world = World(80)
    snapshot = write_segments(tmp_path, world, [range(80)], encoder=identity(pooling))
    sentence = world.sentence_about(5)
    assert search(snapshot, sentence, limit=5, recall=1.0).shortlisted == 80
    (best, *_) = search(snapshot, sentence, limit=5).hits
    cosines = snapshot.channels(best.row)["regions"] @ sentence.channels["regions"].T
    expected = cosines.amax(1).sum() + (cosines.amax(0).sum() if pooling is Pooling.SYMM else 0)
    assert best.score == pytest.approx(float(expected), abs=1e-4)


def drifting_world(folder: Path, *, images: int, first: int) -> World:
    """Its `first` images are written with half of the numbers alone; from then on they are made of the other half."""
    world = World(images)
    world.concepts[:, WIDTH // 2 :] = 0.0
    world.context[:, WIDTH // 2 :] = 0.0
    write_segments(folder, world, [range(first)], encoder=identity())
    world.concepts, world.context = world.concepts.roll(WIDTH // 2, dims=1), world.context.roll(WIDTH // 2, dims=1)
    return world


def test_codebooks_are_trained_anew_where_the_old_ones_fit_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region_coder, "TRAINED_FROM", FEW)
    monkeypatch.setattr(region_coder, "CODED_FROM", FEW // 2)
    monkeypatch.setattr(shortlist, "WHOLE", 0)
    monkeypatch.setattr(shortlist, "CODED", 0)
    world = drifting_world(tmp_path, images=1500, first=750)
    write_segments(tmp_path, world, [range(750, 1500)], encoder=identity())
    first, second = (read_head(tmp_path, entry).coding for entry in read_manifest(tmp_path).segments)
    assert first is not None and second is not None and first.codebooks != second.codebooks
    assert verify_collection(tmp_path).faults == ()
    snapshot, found = open_snapshot(tmp_path), 0
    for number in range(0, 1500, 50):
        sentence = world.sentence_about(number)
        found += len(
            {hit.id for hit in search(snapshot, sentence, limit=10).hits} & set(brute_force(snapshot, sentence, 10))
        )
    assert found >= 0.99 * 30 * 10


def test_a_merge_trains_codebooks_anew_where_those_of_the_collection_fit_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region_coder, "TRAINED_FROM", FEW)
    monkeypatch.setattr(region_coder, "CODED_FROM", FEW // 2)
    world = drifting_world(tmp_path, images=1520, first=760)
    write_segments(tmp_path, world, [range(n, n + 95) for n in range(760, 1520, 95)], encoder=identity())
    assert len(read_manifest(tmp_path).segments) == 9 and merge(tmp_path, largest=800) is not None
    first, merged = (read_head(tmp_path, entry).coding for entry in read_manifest(tmp_path).segments)
    assert first is not None and merged is not None and first.codebooks != merged.codebooks
    told = inspect_collection(tmp_path).told()
    assert sum("drift 1.00" in line for line in told) == 2 and any("expected recall 0.99 of" in line for line in told)
