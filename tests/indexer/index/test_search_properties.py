"""Whatever images are and wherever they lie, the answer is that of scoring every one of them alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from indexer.index.device_engine import DeviceEngine
from indexer.index.engine import ON_CPU, Engine
from indexer.index.errors import BadQuery
from indexer.index.memory_snapshot import CHANNEL, snapshot_of
from indexer.index.search import search, search_many
from model.embeddings import SentenceEmbedding
from model.scoring import MaxSim, Pooling, ScoreSpec, Term
from tests.indexer.index.brute_force import WIDTH, brute_force, images_of, words_of

ROOM = 2**30
ENGINES = [
    pytest.param(ON_CPU, id="cpu"),
    pytest.param(DeviceEngine("cpu", room=ROOM), id="device"),
    pytest.param(DeviceEngine("cpu", room=3000), id="device with little room"),
    pytest.param(DeviceEngine("cpu", room=0), id="device with none"),
    pytest.param(
        DeviceEngine("cuda", room=ROOM),
        id="cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ),
]
FEW = settings(deadline=None, max_examples=15)  # the first call compiles
SEGMENTS = st.lists(st.lists(st.integers(1, 100), max_size=8), min_size=1, max_size=5)


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(segments=SEGMENTS, words=st.integers(1, 200), seed=st.integers(0, 100), filtered=st.booleans())
def test_the_answer_is_that_of_scoring_all(
    engine: Engine, segments: list[list[int]], words: int, seed: int, filtered: bool
) -> None:
    random = np.random.default_rng(seed)
    images = [images_of(counts, seed + number) for number, counts in enumerate(segments)]
    snapshot = snapshot_of(images, width=WIDTH, dead=np.flatnonzero(random.random(40) < 0.2).tolist())
    if filtered:
        masks = [random.random(len(part.alive)) < 0.5 for part in snapshot.parts]
        parts = [replace(part, alive=part.alive & mask) for part, mask in zip(snapshot.parts, masks, strict=True)]
        snapshot = snapshot.of_parts(parts)
    sentence = words_of(words, seed)
    hits = search(snapshot, sentence, limit=10, engine=engine).hits
    expected = brute_force(snapshot, sentence, 10)
    assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-3)
    assert [hit.id for hit in hits] == [image_id for image_id, _ in expected]


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(copies=st.lists(st.integers(0, 2), min_size=1, max_size=40), limit=st.integers(1, 12), seed=st.integers(0, 20))
def test_images_that_are_alike_are_ordered_by_id(engine: Engine, copies: list[int], limit: int, seed: int) -> None:
    kinds = images_of([5, 5, 5], seed)
    images = [kinds[kind] for kind in copies]
    snapshot, sentence = snapshot_of([images[:7], images[7:]], width=WIDTH), words_of(6, seed)
    hits = search(snapshot, sentence, limit=limit, engine=engine).hits
    assert [hit.id for hit in hits] == [image_id for image_id, _ in brute_force(snapshot, sentence, limit)]


class RoundingEngine(DeviceEngine):
    """Rounds as libraries for matrices may: otherwise for every row that is multiplied at once."""

    def exact_scores(self, *arguments, settled: bool = False, **options) -> Tensor:
        scores = super().exact_scores(*arguments, settled=settled, **options)
        return scores if settled else scores * (1 + 1e-6 * torch.sin(torch.arange(len(scores)) + len(scores)))


def test_rounding_does_not_order_images_that_are_alike() -> None:
    (kind,), other = images_of([5], 0), images_of([5] * 20, 1)
    snapshot = snapshot_of([[kind] * 7 + other, [kind] * 8], width=WIDTH)
    words = SentenceEmbedding("", {CHANNEL: torch.from_numpy(kind[:2]).float()}, (), torch.empty(0))
    hits = search(snapshot, words, limit=9, engine=RoundingEngine("cpu", room=ROOM)).hits
    assert [hit.id for hit in hits] == [image_id for image_id, _ in brute_force(snapshot, words, 9)]


@pytest.mark.parametrize("engine", [ON_CPU, DeviceEngine("cpu", room=ROOM)])
@pytest.mark.parametrize("pooling", list(Pooling))
def test_settled_scores_are_the_same_whoever_is_scored_beside(engine: Engine, pooling: Pooling) -> None:
    (kind,), others = images_of([7], 0), images_of([1, 9, 30, 4, 7] * 9, 1)
    spec = ScoreSpec((Term(CHANNEL, MaxSim(pooling)),))
    snapshot = snapshot_of([[kind, *others, kind]], width=WIDTH, spec=spec)
    alone, few, many = (
        engine.exact_scores(snapshot, torch.tensor(rows), words_of(9, 0), spec=spec, settled=True)
        for rows in ([0], [0, 3], list(range(len(others) + 2)))
    )
    assert alone[0] == few[0] == many[0] == many[-1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("segments", [2, 50])
def test_how_images_are_spread_over_segments_changes_nothing(engine: Engine, segments: int) -> None:
    images = images_of(np.random.default_rng(0).integers(1, 30, 200).tolist(), 0)
    spread = [images[start : start + 200 // segments] for start in range(0, 200, 200 // segments)]
    whole, parts = snapshot_of([images], width=WIDTH), snapshot_of(spread, width=WIDTH)
    for number in range(5):
        one, many = (search(some, words_of(9, number), limit=10, engine=engine).hits for some in (whole, parts))
        assert [(hit.id, hit.row) for hit in one] == [(hit.id, hit.row) for hit in many]


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6), seed=st.integers(0, 50))
def test_a_sentence_gets_what_it_would_get_alone(engine: Engine, lengths: list[int], seed: int) -> None:
    snapshot = snapshot_of([images_of([3, 9, 27, 4] * 10, seed)], width=WIDTH, dead=[3])
    sentences = [words_of(count, seed + number) for number, count in enumerate(lengths)]
    together = search_many(snapshot, sentences, limit=5, engine=engine)
    alone = [search(snapshot, sentence, limit=5, engine=engine) for sentence in sentences]
    assert [[hit.id for hit in result.hits] for result in together] == [[h.id for h in one.hits] for one in alone]
    for both in zip(together, alone, strict=True):
        first, second = ([hit.score for hit in result.hits] for result in both)
        assert first == pytest.approx(second, abs=1e-4)


def test_the_number_of_threads_changes_nothing() -> None:
    snapshot, found = snapshot_of([images_of([6] * 900, 0)], width=WIDTH), []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append([hit.id for hit in search(snapshot, words_of(8, 1), limit=20).hits])
    torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(engine: Engine, number: float) -> None:
    sentence = words_of(3, 0)
    sentence.channels[CHANNEL][1, 2] = number
    with pytest.raises(BadQuery, match="not finite"):
        search_many(snapshot_of([images_of([2], 0)], width=WIDTH), [words_of(3, 1), sentence], limit=1, engine=engine)
