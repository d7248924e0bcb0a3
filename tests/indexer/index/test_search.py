"""A search answers with the exact best, or with the exact best of its shortlist."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from indexer.commit import commit_segment, create_collection
from indexer.index import engine as engine_file
from indexer.index.deletion import delete_images
from indexer.index.errors import BadQuery
from indexer.index.manifest import EncoderIdentity
from indexer.index.search import explain, search
from indexer.index.snapshot import Snapshot, open_snapshot
from model.embeddings import SentenceEmbedding
from model.scoring import MaxSim, ScoreSpec, Term
from tests.indexer.index.tiny import (
    ENCODER,
    commit_images,
    embedding_of,
    image_id,
    record_of,
    sentence_of,
    writer_for,
)

ONE_TERM = replace(ENCODER, fingerprint="4" * 64, score_spec=ScoreSpec((Term("regions", MaxSim()),)))


def brute_force(snapshot: Snapshot, sentence: SentenceEmbedding) -> list[tuple[str, float]]:
    """MrSw of the regions and half of symm of the context, image by image."""
    scores = {}
    for row in snapshot.live_rows.tolist():
        cosines = {name: snapshot.channels(row)[name] @ words.T for name, words in sentence.channels.items()}
        both_ways = cosines["context"].amax(0).sum() + cosines["context"].amax(1).sum()
        scores[snapshot.record(row).id] = float(cosines["regions"].amax(0).sum() + 0.5 * both_ways)
    return sorted(scores.items(), key=lambda found: (-found[1], found[0]))


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    for first in (0, 15):
        commit_images(tmp_path, range(first, first + 15))
    delete_images(tmp_path, [image_id(3), image_id(20)])
    return open_snapshot(tmp_path)


@pytest.mark.parametrize("at_once", [1, 5, 1024])
def test_with_all_shortlisted_the_answer_is_that_of_brute_force(
    snapshot: Snapshot, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_file, "RERANKED_AT_ONCE", at_once)
    for number in range(5):
        result = search(snapshot, sentence_of(number), limit=28, shortlist_size=28)
        expected = brute_force(snapshot, sentence_of(number))
        assert [hit.id for hit in result.hits] == [image_id for image_id, _ in expected]
        assert [hit.score for hit in result.hits] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_a_hit_says_what_and_where_it_is(snapshot: Snapshot) -> None:
    result = search(snapshot, sentence_of(1), limit=4, shortlist_size=10)
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4]
    assert all(snapshot.record(hit.row).id == hit.id for hit in result.hits)
    assert result.shortlisted == 10 and result.shortlist_ms > 0 and result.rerank_ms > 0


def test_the_scores_of_a_shortlist_are_exact(snapshot: Snapshot) -> None:
    exact = dict(brute_force(snapshot, sentence_of(2)))
    hits = search(snapshot, sentence_of(2), limit=5, shortlist_size=5).hits
    assert [hit.score for hit in hits] == pytest.approx([exact[hit.id] for hit in hits], abs=1e-5)


def test_more_than_there_is_may_be_asked_for(snapshot: Snapshot) -> None:
    assert len(search(snapshot, sentence_of(0), limit=1000, shortlist_size=1000).hits) == 28
    assert len(search(snapshot, sentence_of(0), limit=1000, shortlist_size=6).hits) == 6


def test_a_collection_without_images_answers_with_none(tmp_path: Path) -> None:
    create_collection(tmp_path, encoder=ENCODER)
    result = search(open_snapshot(tmp_path), sentence_of(0), limit=5, shortlist_size=5)
    assert (result.hits, result.shortlisted) == ((), 0)


def test_images_of_equal_score_are_ordered_by_id(tmp_path: Path) -> None:
    with writer_for(tmp_path) as writer:
        for number in range(10):
            writer.add(record_of(number), embedding_of(7), b"")
        entry = writer.finish()
        assert entry is not None
        commit_segment(tmp_path, entry, encoder=ENCODER)
    hits = search(open_snapshot(tmp_path), sentence_of(0), limit=4, shortlist_size=10).hits
    assert [hit.id for hit in hits] == sorted(image_id(number) for number in range(10))[:4]


def test_the_explanation_of_a_hit_adds_up_to_its_score(tmp_path: Path) -> None:
    commit_images(tmp_path, range(10), encoder=ONE_TERM)
    snapshot, sentence = open_snapshot(tmp_path), sentence_of(4)
    for hit in search(snapshot, sentence, limit=3, shortlist_size=10).hits:
        answers = explain(snapshot, hit.row, sentence)
        assert [answer.word for answer in answers] == [0, 1, 2, 3]
        assert all(0 <= answer.region < len(snapshot.boxes(hit.row)) for answer in answers)
        assert sum(answer.contribution for answer in answers) == pytest.approx(hit.score, abs=1e-4)


def test_a_sentence_that_is_not_finite_is_refused(snapshot: Snapshot) -> None:
    sentence = sentence_of(1)
    sentence.channels["regions"][0, 0] = torch.nan
    with pytest.raises(BadQuery, match="not finite"):
        search(snapshot, sentence, limit=5)


def test_scores_are_finite(snapshot: Snapshot) -> None:
    assert isinstance(snapshot.encoder, EncoderIdentity)
    hits = search(snapshot, sentence_of(9), limit=28, shortlist_size=28).hits
    assert torch.tensor([hit.score for hit in hits]).isfinite().all()
