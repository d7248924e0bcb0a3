"""Views of pictures and the distance of feature maps."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from model.regions.mobilenet import MobileNetV2, MobileNetV2Config
from model.training.distil import DistilConfig, DistilTask, MapStatistics, Student, Teach, distance, mix
from model.training.hardware import Arithmetic, OneProcess
from model.training.loop import run_stage
from model.training.optimization import Optimization
from model.training.pictures import random_views

ARITHMETIC = Arithmetic(torch.device("cpu"), torch.float32)
SMALL = MobileNetV2Config(width=0.125, last_width=8)


def test_views_are_parts_of_their_picture_in_range():
    pictures = np.zeros((4, 32, 32, 3), np.uint8)
    pictures[1:] = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3))
    views = random_views(pictures, side=16, smallest=0.4, generator=np.random.default_rng(1))
    assert views.shape == (4, 3, 16, 16)
    assert float(views.min()) >= 0.0 and float(views.max()) <= 1.0
    assert float(views[0].max()) == 0.0  # black stays black


def test_the_same_seed_gives_the_same_views():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    one, other = (random_views(pictures, side=16, smallest=0.4, generator=np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one, other)


def test_maps_are_at_no_distance_from_themselves():
    maps = [torch.randn(2, 5, 8 // side, 8 // side) for side in (1, 2)]
    statistics = [MapStatistics(torch.zeros(5, 1, 1), torch.ones(5, 1, 1))] * 2
    assert float(distance(maps, maps, statistics, earlier=0.3)) < 1e-6
    first, last = ([-maps[0], maps[1]], [maps[0], -maps[1]])
    far = [float(distance(some, maps, statistics, earlier=0.0)) for some in (first, last)]
    assert far[0] < 1e-6 and far[1] > 4  # twice the cosine, of places and of whole pictures


def maps_of(teacher: MobileNetV2) -> Teach:
    def teach(pixels: torch.Tensor) -> list[torch.Tensor]:
        with torch.no_grad():
            x = teacher.normalised(pixels)
            return [x := piece(x) for piece in teacher.pieces()]

    return teach


def learn(task: DistilTask, optimization: Optimization, run: Path) -> bool:
    return run_stage(
        task, optimization, run=run, identity="", hardware=OneProcess(ARITHMETIC.device),
        watch=lambda _: None, stopping=threading.Event(),
    )  # fmt: skip


def test_a_student_comes_nearer_to_its_teacher_and_is_what_the_network_becomes(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), dtype=np.uint8)
    torch.manual_seed(0)
    teacher, network = (MobileNetV2(SMALL) for _ in range(2))
    optimization = Optimization(epochs=4, lr=1e-2, warmup_steps=1)
    student, scores = Student(network).eval(), []
    for name, apart, side in (("apart", True, 32), ("together", False, 64)):
        config = DistilConfig(name, optimization, Path("none"), apart=apart, side=side, images=8)
        task = DistilTask(
            student, maps_of(teacher), config, pictures=pictures, validation=pictures, arithmetic=ARITHMETIC
        )
        scores.append(task.validate().score)
        assert learn(task, optimization, tmp_path / name)
        student.eval()
        scores.append(task.validate().score)
    assert scores[0] + 1 < scores[1] == scores[2] <= scores[3]
    student.fill(network)
    pixels = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(pixels), student.network(pixels), atol=1e-4, rtol=1e-4)


def test_in_a_step_normalisations_go_three_times_as_far_as_filters(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    student, teacher = Student(MobileNetV2(SMALL)), MobileNetV2(SMALL)
    optimization = Optimization(epochs=1, lr=1e-3, warmup_steps=1, weight_decay=0.0)
    config = DistilConfig("one", optimization, Path("none"), side=32, images=8)
    task = DistilTask(student, maps_of(teacher), config, pictures=pictures, validation=pictures, arithmetic=ARITHMETIC)
    before = {name: weight.detach().clone() for name, weight in student.named_parameters()}
    assert learn(task, optimization, tmp_path)
    after = torch.load(tmp_path / "last.pt", weights_only=True)["module"]
    far = {name: float((after[name] - weight).abs().max()) for name, weight in before.items()}
    norms, filters = (max(far[name] for name in far if (".norm." in name) is norm) for norm in (True, False))
    assert filters == pytest.approx(1e-3, rel=0.05) and norms == pytest.approx(3e-3, rel=0.05)


def test_mixing_blends_every_second_view_with_its_neighbour():
    views = torch.stack([torch.full((3, 2, 2), float(n)) for n in range(4)])
    mixed = mix(views.clone(), np.random.default_rng(0))
    assert torch.equal(mixed[1::2], views[1::2])
    assert all(n <= float(mixed[n].min()) <= n + 1 for n in (0, 2))
