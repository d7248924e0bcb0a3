"""Real parts in small sizes, shared by all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from indexer.decode_pool import DecodePool
from indexer.pictures import pool_for
from model.checkpoint import load_encoder, save_checkpoint
from model.encoder import Encoder
from model.regions.mobilenet import MobileNetV2Config
from model.regions.windows import WindowExtractor, WindowsConfig
from model.teran.config import BertSizes, TeranConfig
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer
from model.training.vocabulary import learn_vocabulary

CAPTIONS = (
    "a brown dog is running on the grass .",
    "two children play with a red ball .",
    "a man in a blue shirt rides a bicycle .",
    "a black dog and a white dog are playing .",
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Photographs, captions and reference outputs that are not part of the project."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared, with photographs and reference outputs, is not there")
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    """A checkpoint folder of a very small TERAN with random weights."""
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), seed=0)


@pytest.fixture(scope="session")
def other_checkpoint(tmp_path_factory) -> Path:
    """The same sizes with other weights."""
    return make_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint"), seed=1)


@pytest.fixture(scope="session")
def tiny_encoder(tiny_checkpoint) -> Encoder:
    return load_encoder(str(tiny_checkpoint))


@pytest.fixture(scope="session")
def pool(tiny_encoder) -> Iterator[DecodePool]:
    with pool_for(tiny_encoder, processes=1) as pool:
        yield pool


def make_tiny_checkpoint(folder: Path, *, seed: int) -> Path:
    torch.manual_seed(seed)
    vocabulary = folder / "vocab.txt"
    learn_vocabulary(CAPTIONS, size=200, path=vocabulary)
    pieces = len(vocabulary.read_text(encoding="utf-8").splitlines())
    bert = BertSizes(vocabulary=pieces, width=16, layers=1, heads=2, feedforward=32, positions=64)
    config = TeranConfig(
        feature_width=12, embedding_width=8, image_layers=1, joint_layers=1, heads=2, feedforward=16, bert=bert
    )
    convnet = MobileNetV2Config(width=0.125, last_width=8)
    regions = WindowExtractor(WindowsConfig(convnet, feature_width=12, picture_side=64))
    save_checkpoint(
        folder,
        name=f"tiny-{seed}",
        teran=Teran(config),
        regions=regions,
        tokenizer=Tokenizer(folder),
        dtype=torch.float32,
    )
    return folder
