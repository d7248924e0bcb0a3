"""Where the kernel is cross attention, a search answers as brute force over it does."""

import pytest
import torch

from indexer.commit import commit_segment
from indexer.index import engine as engine_file
from indexer.index.deletion import delete_images
from indexer.index.manifest import EncoderIdentity
from indexer.index.search import explain, search
from indexer.index.snapshot import Snapshot, open_snapshot
from indexer.segment_writer import SegmentWriter
from model.cross_attention import CrossAttention, Direction
from model.encoder import Encoder
from tests.hats import noise, tiny_encoder_of, tiny_hat
from tests.indexer.index.tiny import image_id, record_of
from tests.model.attention_by_hand import attention_by_hand

I2T, T2I = Direction.I2T, Direction.T2I
CASES = {"i2t": [(I2T,)], "t2i": [(T2I,)], "ensemble": [(I2T,), (T2I,)]}
SENTENCES = ["a brown dog", "the man's red ball on the grass .", "running"]
IMAGES = 24


@pytest.fixture(scope="module", params=CASES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    networks = [tiny_hat(*directions, seed=seed) for seed, directions in enumerate(CASES[request.param])]
    return tiny_encoder_of(tmp_path_factory.mktemp("hat"), networks)


@pytest.fixture(scope="module")
def snapshot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Two segments, two images deleted."""
    collection = tmp_path_factory.mktemp("collection")
    images = dict(enumerate(encoder.encode_images(noise(IMAGES))))
    channel = encoder.score_spec.terms[0].channel
    for numbers in (range(10), range(10, IMAGES)):
        with SegmentWriter(collection, channel_widths=encoder.channel_widths, shortlist_channel=channel) as writer:
            for number in numbers:
                writer.add(record_of(number), images[number], b"")
            entry = writer.finish()
            assert entry is not None
            commit_segment(collection, entry, encoder=EncoderIdentity.of(encoder))
    delete_images(collection, [image_id(3), image_id(20)])
    return open_snapshot(collection)


def brute_force(snapshot: Snapshot, encoder: Encoder, text: str) -> list[tuple[str, float]]:
    (sentence,) = encoder.encode_sentences([text])
    kernels = [
        (t.channel, t.kernel, t.weight) for t in encoder.score_spec.terms if isinstance(t.kernel, CrossAttention)
    ]
    scores = {}
    for row in snapshot.live_rows.tolist():
        image, words = snapshot.channels(row), sentence.channels
        scores[snapshot.record(row).id] = sum(
            w * attention_by_hand(image[c], words[c], kernel) for c, kernel, w in kernels
        )
    return sorted(scores.items(), key=lambda found: -found[1])


@pytest.mark.parametrize("numbers_at_once", [1, 2**26])
def test_with_all_shortlisted_the_answer_is_that_of_brute_force(
    snapshot: Snapshot, encoder: Encoder, numbers_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_file, "NUMBERS_AT_ONCE", numbers_at_once)
    for text in SENTENCES:
        (sentence,) = encoder.encode_sentences([text])
        hits = search(snapshot, sentence, limit=IMAGES, shortlist_size=IMAGES).hits
        expected = brute_force(snapshot, encoder, text)
        assert [hit.id for hit in hits] == [found for found, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_a_shortlist_is_of_the_best_at_evenly_spread_attention(snapshot: Snapshot, encoder: Encoder) -> None:
    (sentence,) = encoder.encode_sentences([SENTENCES[1]])
    pooled = torch.stack([snapshot.channels(row)["pooled"][0] for row in snapshot.live_rows.tolist()])
    best = snapshot.live_rows[(pooled @ sentence.channels["pooled"][0]).topk(5).indices]
    found = search(snapshot, sentence, limit=5, shortlist_size=5)
    exact = dict(brute_force(snapshot, encoder, SENTENCES[1]))
    assert {hit.row for hit in found.hits} == set(best.tolist())
    assert [hit.score for hit in found.hits] == pytest.approx([exact[hit.id] for hit in found.hits], abs=1e-5)


def test_the_explanation_of_a_hit_adds_up_to_its_score(snapshot: Snapshot, encoder: Encoder) -> None:
    (sentence,) = encoder.encode_sentences([SENTENCES[0]])
    for hit in search(snapshot, sentence, limit=3, shortlist_size=IMAGES).hits:
        answers = explain(snapshot, hit.row, sentence)
        assert [sentence.words[answer.word].text for answer in answers] == ["a", "brown", "dog", "a brown dog"]
        assert all(answer.region < len(snapshot.boxes(hit.row)) for answer in answers)
        assert sum(answer.contribution for answer in answers) == pytest.approx(hit.score, abs=1e-3)
