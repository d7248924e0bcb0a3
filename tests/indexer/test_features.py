"""Photographs are indexed by region features from files, and found by all systems that take them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from indexer.index.search import search
from indexer.index.snapshot import Snapshot, open_snapshot
from indexer.index.verify import verify_collection
from indexer.pictures import pool_for
from indexer.pipeline import Fate, Photograph, index_photographs
from model.checkpoint import load_encoder, save_camera, save_checkpoint, save_vsrn
from model.embeddings import Picture, SentenceEmbedding
from model.encoder import Encoder
from model.selfalign.word_pieces import WordPieces
from model.teran.config import TeranConfig
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer
from tests.photographs import write_photographs
from tests.selfalign import CAMERA, WIDTH, WORDS, camera, vsrn, write_features, write_pieces

COUNT = 24
SENTENCES = ["a red dog runs .", "two balls .", "a dog ."]


@pytest.fixture(scope="module", params=["camera", "vsrn", "teran"])
def encoder(request, tmp_path_factory) -> Encoder:
    folder = tmp_path_factory.mktemp("model")
    write_pieces(folder / "pieces")
    if request.param == "camera":
        pieces = WordPieces(folder / "pieces")
        save_camera(folder, name="camera", camera=camera(), pieces=pieces, dtype=torch.float32)
    elif request.param == "vsrn":
        save_vsrn(folder, name="vsrn", vsrn=vsrn(), words=WORDS, dtype=torch.float32)
    else:
        torch.manual_seed(2)
        config = TeranConfig(
            feature_width=WIDTH, embedding_width=8, image_layers=1, joint_layers=1, heads=2, bert=CAMERA.bert
        )
        tokenizer = Tokenizer(folder / "pieces")
        save_checkpoint(
            folder, name="teran", teran=Teran(config), regions=None, tokenizer=tokenizer, dtype=torch.float32
        )
    features = write_features(folder / "features", [f"{number:04}" for number in range(COUNT)], size=(96, 72))
    return load_encoder(str(folder), features=features)


@pytest.fixture(scope="module")
def collection(encoder, tmp_path_factory) -> Path:
    """All photographs, and one that has no features."""
    folder = tmp_path_factory.mktemp("photographs")
    photographs = [Photograph(path, path.name, str(path)) for path in write_photographs(folder, range(COUNT + 1))]
    collection = tmp_path_factory.mktemp("collection")
    with pool_for(encoder, processes=1) as pool:
        outcomes = index_photographs(photographs, collection, encoder=encoder, pool=pool)
    assert {one.photograph.name: one.code for one in outcomes if one.fate is not Fate.INDEXED} == {
        f"{COUNT:04}.jpg": "features_unreadable"
    }
    assert not verify_collection(collection).faults
    return collection


def brute_force(snapshot: Snapshot, sentence: SentenceEmbedding) -> list[tuple[str, float]]:
    """Every row of the sentence takes its best of the image, channel by channel."""
    scores = {}
    for row in snapshot.live_rows.tolist():
        image = snapshot.channels(row)
        best = [float((image[name] @ rows.T).amax(dim=0).sum()) for name, rows in sentence.channels.items()]
        scores[snapshot.record(row).id] = sum(best)
    return sorted(scores.items(), key=lambda found: -found[1])


def test_ranks_are_those_of_brute_force(encoder, collection):
    snapshot = open_snapshot(collection)
    for sentence in encoder.encode_sentences(SENTENCES):
        hits = search(snapshot, sentence, limit=COUNT, shortlist_size=COUNT).hits
        expected = brute_force(snapshot, sentence)
        assert [hit.id for hit in hits] == [image for image, _ in expected]
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_what_is_indexed_is_what_was_encoded(encoder, collection):
    snapshot = open_snapshot(collection)
    rows = {snapshot.record(row).name: row for row in snapshot.live_rows.tolist()}
    stored = snapshot.channels(rows["0007.jpg"])
    (image,) = encoder.encode_images([Picture(np.zeros((1, 1, 3), np.uint8), 96, 72, "0007.jpg")])
    for name, vectors in image.channels.items():
        torch.testing.assert_close(stored[name], vectors, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("encoder", ["camera", "vsrn"], indirect=True)
def test_where_a_sentence_is_one_vector_the_shortlist_is_the_answer(encoder, collection):
    snapshot = open_snapshot(collection)
    for sentence in encoder.encode_sentences(SENTENCES):
        hits = search(snapshot, sentence, limit=6, shortlist_size=6).hits
        assert [hit.id for hit in hits] == [image for image, _ in brute_force(snapshot, sentence)[:6]]
