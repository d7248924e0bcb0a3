"""A filter allows the images that the obvious reading of it allows, and a scan finds no other."""

from dataclasses import replace
from pathlib import Path

import pytest

from indexer.commit import commit_segment
from indexer.index.deletion import delete_images
from indexer.index.device_engine import DeviceEngine
from indexer.index.engine import ON_CPU, Engine
from indexer.index.filters import Condition, Filter, Metadata
from indexer.index.search import search
from indexer.index.snapshot import Snapshot, open_snapshot
from tests.indexer.index.tiny import ENCODER, embedding_of, image_id, live_numbers, record_of, sentence_of, writer_for

TOLD = (
    {"tags": ["outdoor", "dog"], "taken": "2024-03-01", "stars": 3},
    {"tags": ["indoor"], "taken": "2023-12-31", "stars": 5},
    {"tags": "outdoor", "taken": 2024, "stars": 3.0},
    {"stars": True, "tags": [], "taken": None},
    {"stars": "3", "tags": {"outdoor": 1}},
    {},
)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Images 0 to 23 in two segments, told of by turns; 6, of which the first is told, is deleted."""
    for numbers in (range(15), range(15, 24)):
        with writer_for(tmp_path) as writer:
            for number in numbers:
                told = {"number": number, **TOLD[number % len(TOLD)]}
                writer.add(replace(record_of(number), metadata=told), embedding_of(number), b"")
            entry = writer.finish()
            assert entry is not None
            commit_segment(tmp_path, entry, encoder=ENCODER)
    delete_images(tmp_path, [image_id(6)])
    return open_snapshot(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"tags": Condition(any=("outdoor",))}, {0, 2}),
        ({"tags": Condition(any=("indoor", "dog"))}, {0, 1}),
        ({"taken": Condition(gte="2024-01-01")}, {0}),
        ({"taken": Condition(gte="2023-01-01", lte="2024-01-01")}, {1}),
        ({"stars": Condition(any=(3,))}, {0, 2}),
        ({"stars": Condition(any=(True,))}, {3}),
        ({"stars": Condition(lte=3.0)}, {0, 2}),
        ({"stars": Condition(gte=3), "tags": Condition(any=("indoor",))}, {1}),
        ({"stars": Condition()}, {0, 1, 2, 3, 4}),
        ({"nothing": Condition(any=("at all",))}, set()),
        ({}, {0, 1, 2, 3, 4, 5}),
    ],
)
def test_what_is_told_decides(snapshot: Snapshot, wanted: Filter, told: set[int]) -> None:
    narrowed = Metadata().narrowed(snapshot, wanted)
    assert live_numbers(narrowed) == [n for n in range(24) if n % len(TOLD) in told and n != 6]


@pytest.mark.parametrize("engine", [ON_CPU, DeviceEngine("cpu", room=2**30), DeviceEngine("cpu", room=0)])
def test_the_best_of_those_that_are_allowed_are_found(snapshot: Snapshot, engine: Engine) -> None:
    metadata, wanted = Metadata(), {"tags": Condition(any=("outdoor",))}
    for number in range(5):
        every = search(snapshot, sentence_of(number), limit=30).hits
        hits = search(metadata.narrowed(snapshot, wanted), sentence_of(number), limit=3, engine=engine).hits
        allowed = [hit for hit in every if snapshot.record(hit.row).metadata["number"] % len(TOLD) in (0, 2)]
        assert [(hit.id, hit.row) for hit in hits] == [(hit.id, hit.row) for hit in allowed[:3]]


def test_the_whole_commit_stays_as_it_was(snapshot: Snapshot) -> None:
    Metadata().narrowed(snapshot, {"stars": Condition(any=(5,))})
    assert len(live_numbers(snapshot)) == 23
