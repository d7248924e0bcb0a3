"""A device answers what scoring every image answers, whatever lies in its memory; here the device is the CPU."""

import gc
from pathlib import Path

import pytest

from indexer.index import device_engine
from indexer.index.deletion import delete_images
from indexer.index.device_engine import DeviceEngine
from indexer.index.engine import ON_CPU, Engine
from indexer.index.memory_snapshot import CHANNEL, snapshot_of
from indexer.index.search import search
from indexer.index.snapshot import Snapshot, open_snapshot
from model.embeddings import SentenceEmbedding
from model.scoring import MaxSim, Pooling, ScoreSpec, Term
from tests.indexer.index.brute_force import WIDTH, brute_force, images_of, words_of
from tests.indexer.index.tiny import commit_images, image_id, sentence_of

ROOM = 2**30


def found(snapshot: Snapshot, sentence: SentenceEmbedding, engine: Engine, *, limit: int = 10) -> list[str]:
    return [hit.id for hit in search(snapshot, sentence, limit=limit, engine=engine).hits]


@pytest.mark.parametrize("products", [1, 1000])
def test_the_size_of_blocks_changes_nothing(products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_engine, "PRODUCTS", products)
    for counts in ([1, 30, 7, 7, 100, 2], [36] * 9):
        snapshot, sentence = snapshot_of([images_of(counts, 0)], width=WIDTH), words_of(9, 0)
        expected = [image_id for image_id, _ in brute_force(snapshot, sentence, 10)]
        assert found(snapshot, sentence, DeviceEngine("cpu", room=ROOM)) == expected


@pytest.mark.parametrize("pooling", list(Pooling))
def test_every_pooling_answers_as_on_the_cpu(pooling: Pooling) -> None:
    spec = ScoreSpec((Term(CHANNEL, MaxSim(pooling), weight=2.0),))
    snapshot = snapshot_of([images_of([1, 5, 30, 12], 0), images_of([9] * 20, 1)], width=WIDTH, spec=spec)
    sentence = words_of(6, 2)
    for recall in (0.99, 1.0):
        here, there = (
            search(snapshot, sentence, limit=10, recall=recall, engine=engine).hits
            for engine in (DeviceEngine("cpu", room=ROOM), ON_CPU)
        )
        assert [hit.id for hit in here] == [hit.id for hit in there]
        assert [hit.score for hit in here] == pytest.approx([hit.score for hit in there], abs=1e-4)


def test_several_channels_count_wherever_they_lie(tmp_path: Path) -> None:
    commit_images(tmp_path, range(12))
    commit_images(tmp_path, range(12, 30))
    delete_images(tmp_path, [image_id(4), image_id(20)])
    snapshot = open_snapshot(tmp_path)
    for room in (0, 1200, ROOM):
        engine = DeviceEngine("cpu", room=room)
        for number in range(5):
            assert found(snapshot, sentence_of(number), engine) == found(snapshot, sentence_of(number), ON_CPU)


def test_a_new_commit_brings_only_what_is_new_and_what_is_gone_makes_room(tmp_path: Path) -> None:
    engine = DeviceEngine("cpu", room=ROOM)
    commit_images(tmp_path, range(10))
    first = open_snapshot(tmp_path)
    found(first, sentence_of(0), engine)
    before, there = engine.columns.used, engine.columns.held(first.parts[0].segment, "regions")
    commit_images(tmp_path, range(10, 15))
    second = open_snapshot(tmp_path, previous=first)
    assert found(second, sentence_of(0), engine) == found(second, sentence_of(0), ON_CPU)
    assert engine.columns.held(second.parts[0].segment, "regions") is there
    assert engine.columns.used > before > 0
    del first, second, there
    gc.collect()
    assert engine.columns.used == 0


def test_no_more_is_held_than_there_is_room_for() -> None:
    snapshot = snapshot_of([images_of([10] * 5, 0), images_of([10] * 50, 1), images_of([10] * 5, 2)], width=WIDTH)
    engine = DeviceEngine("cpu", room=3000)
    found(snapshot, words_of(3, 0), engine)
    assert [engine.columns.held(part.segment, CHANNEL) is not None for part in snapshot.parts] == [True, False, True]
    assert 2400 < engine.columns.used <= 3000


@pytest.mark.parametrize("length", [1e-20, 1.0, 1e6])
def test_words_of_any_length_are_scored_exactly(length: float) -> None:
    snapshot, sentence = snapshot_of([images_of([4] * 60, 0)], width=WIDTH), words_of(5, 3)
    sentence.channels[CHANNEL].mul_(length)
    hits = search(snapshot, sentence, limit=3, engine=DeviceEngine("cpu", room=ROOM)).hits
    expected = brute_force(snapshot, sentence, 3)
    assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], rel=1e-5)
