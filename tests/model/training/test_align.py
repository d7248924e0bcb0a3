"""Training, in small: it learns, and stopped anywhere it goes on as if it had not been."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.evaluation.captions import CaptionedImage
from model.regions.convnet import ConvNetConfig
from model.regions.windows import WindowExtractor, WindowsConfig
from model.teran.config import BertSizes, TeranConfig
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer
from model.training.align import AlignConfig, Trainee, train, validation_rsum
from model.training.captioned import LONGEST, CaptionedSet

CONFIG = AlignConfig(epochs=4, images=4, captions=2, lr=3e-3, warmup_steps=2)
COLOURS = ("brown", "red", "blue", "black", "white")
THINGS = ("dog", "ball", "shirt", "bicycle")


@pytest.fixture(scope="module")
def captioned(tiny_checkpoint) -> CaptionedSet:
    images = [CaptionedImage(f"{c}{t}", (f"a {c} {t} .", f"the {t} is {c}")) for c in COLOURS for t in THINGS]
    return CaptionedSet(images, Tokenizer(tiny_checkpoint))


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    """[N, R, width of the map]: colour and thing can be read off."""
    pooled = torch.zeros(len(COLOURS) * len(THINGS), 36, 14)
    for row in range(len(pooled)):
        pooled[row, :, row // len(THINGS)] = 1.0
        pooled[row, :, len(COLOURS) + row % len(THINGS)] = 1.0
    return pooled


def make_trainee(pieces: int) -> Trainee:
    torch.manual_seed(0)
    bert = BertSizes(vocabulary=pieces, width=32, layers=1, heads=2, feedforward=32, positions=64)
    config = TeranConfig(
        feature_width=16, embedding_width=16, image_layers=1, joint_layers=1, heads=2, feedforward=32, bert=bert
    )
    convnet = ConvNetConfig((4, 4, 6, 8), (1, 1, 1, 1))
    return Trainee(Teran(config), WindowExtractor(WindowsConfig(convnet, feature_width=16)))


def run(captioned, windows, folder, *, epochs: int) -> Trainee:
    trainee = make_trainee(pieces=300)
    train(
        trainee,
        captioned,
        lambda rows, generator: windows[rows] + 0.01 * torch.from_numpy(generator.random(windows[rows].shape)).float(),
        lambda: validation_rsum(trainee, captioned, windows),
        config=replace(CONFIG, epochs=epochs),
        run=folder,
    )
    return trainee


def test_training_learns_what_can_be_seen(captioned, windows, tmp_path):
    before = validation_rsum(make_trainee(pieces=300), captioned, windows)
    after = validation_rsum(run(captioned, windows, tmp_path, epochs=20), captioned, windows)
    assert after > before + 50


def test_a_stopped_training_goes_on_bit_for_bit(captioned, windows, tmp_path, monkeypatch):
    whole = run(captioned, windows, tmp_path / "whole", epochs=4)
    # Stopped after the second of four epochs: the schedule is that of four.
    trainee, seen = make_trainee(pieces=300), []

    def stop_after_two() -> float:
        seen.append(validation_rsum(trainee, captioned, windows))
        return seen[-1]

    def pooled(rows: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
        if len(seen) == 2:
            raise KeyboardInterrupt
        return windows[rows] + 0.01 * torch.from_numpy(generator.random(windows[rows].shape)).float()

    with pytest.raises(KeyboardInterrupt):
        train(trainee, captioned, pooled, stop_after_two, config=CONFIG, run=tmp_path / "stopped")
    resumed = run(captioned, windows, tmp_path / "stopped", epochs=4)
    last = [torch.load(tmp_path / name / "last.pt", weights_only=True)["trainee"] for name in ("whole", "stopped")]
    assert all(torch.equal(last[0][key], last[1][key]) for key in last[0])
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_batches_hold_every_image_once_with_its_own_captions(captioned):
    generator = np.random.default_rng(0)
    batches = list(captioned.shuffled(images=4, captions=2, unknown=0.0, generator=generator))
    assert sorted(row for batch in batches for row in batch.rows.tolist()) == list(range(20))
    assert all(batch.owners.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] for batch in batches)


def test_long_captions_are_shortened_before_their_full_stop(tiny_checkpoint):
    tokenizer = Tokenizer(tiny_checkpoint)
    long = CaptionedSet([CaptionedImage("x", ("dog " * 50,))], tokenizer)
    (batch,) = long.shuffled(images=1, captions=1, unknown=0.0, generator=np.random.default_rng(0))
    (whole,) = long.in_order(images=1)
    assert batch.token_ids.shape[1] == LONGEST
    assert batch.token_ids[0, -2:].tolist() == whole.token_ids[0, -2:].tolist()
    assert whole.token_ids.shape[1] == 53
