"""POST /search over a collection of a HAT."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from indexer.index.layout import collection_path
from indexer.pictures import pool_for, read_pictures
from indexer.pipeline import Photograph, index_photographs
from model.cross_attention import Direction
from model.encoder import Encoder
from model.scoring import score_matrix
from service.app import create_app
from service.settings import Settings
from tests.hats import tiny_encoder_of, tiny_hat
from tests.photographs import write_photographs

SENTENCE = "the man's red ball"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Encoder:
    return tiny_encoder_of(tmp_path_factory.mktemp("hat"), [tiny_hat(Direction.I2T, Direction.T2I)])


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[Path]:
    return write_photographs(tmp_path_factory.mktemp("photographs"), range(8))


@pytest.fixture(scope="module")
def expected(paths, encoder) -> dict[str, float]:
    """By name, without an index."""
    with pool_for(encoder, processes=1) as pool:
        images = encoder.encode_images(list(read_pictures(pool, paths)))
    scores = score_matrix(encoder.score_spec, images, encoder.encode_sentences([SENTENCE]))[:, 0]
    return dict(zip([path.name for path in paths], scores.tolist(), strict=True))


@pytest.fixture(scope="module")
def client(tmp_path_factory, paths, encoder) -> Iterator[TestClient]:
    data = tmp_path_factory.mktemp("data")
    photographs = [Photograph(path, path.name, str(path)) for path in paths]
    with pool_for(encoder, processes=1) as pool:
        index_photographs(photographs, collection_path(data, "default"), encoder=encoder, pool=pool)
    with TestClient(create_app(Settings(data=data), encoder)) as client:
        yield client


def test_the_answer_is_that_of_the_encoder_without_an_index(client, expected):
    hits = client.post("/v1/search", json={"text": SENTENCE}).json()["results"]
    assert {hit["name"]: hit["score"] for hit in hits} == pytest.approx(expected, abs=1e-3)  # rows are float16
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_every_word_has_a_patch_and_a_share(client):
    for hit in client.post("/v1/search", json={"text": SENTENCE, "explain": True}).json()["results"]:
        words, regions = hit["explanation"]["words"], hit["explanation"]["regions"]
        assert [word["text"] for word in words] == ["the", "man's", "red", "ball", SENTENCE]
        assert all(SENTENCE[word["start"] : word["end"]] == word["text"] for word in words)
        assert all(str(word["region"]) in regions for word in words)
        assert sum(word["contribution"] for word in words) == pytest.approx(hit["score"], abs=1e-3)
