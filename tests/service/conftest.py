"""A service over a few photographs, without a worker of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from indexer.index.layout import collection_path
from indexer.pipeline import Photograph, index_photographs
from service.app import create_app
from service.settings import Settings
from tests.photographs import write_photographs

INDEXED = 12


@pytest.fixture(scope="session")
def indexed(tmp_path_factory, tiny_encoder, pool) -> Path:
    """A data folder with one collection; tests get copies of it."""
    data = tmp_path_factory.mktemp("data")
    paths = write_photographs(tmp_path_factory.mktemp("photographs"), range(INDEXED))
    photographs = [Photograph(path, path.name, str(path), metadata={"taken": "long ago"}) for path in paths]
    index_photographs(photographs, collection_path(data, "default"), encoder=tiny_encoder, pool=pool)
    return data


@pytest.fixture
def settings(tmp_path, indexed) -> Settings:
    shutil.copytree(indexed, tmp_path / "data")
    roots = [tmp_path / "root"]
    roots[0].mkdir()
    return Settings(data=tmp_path / "data", roots=roots, max_files=20, max_file_bytes=100_000, max_body_bytes=1_000_000)


@pytest.fixture
def client(settings, tiny_encoder) -> Iterator[TestClient]:
    with TestClient(create_app(settings, tiny_encoder), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def empty(tmp_path, tiny_encoder) -> Iterator[TestClient]:
    """A service into which nothing was ever put."""
    app = create_app(Settings(data=tmp_path / "nothing"), tiny_encoder)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
