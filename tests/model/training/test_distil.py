"""Views of pictures and the distance of feature maps."""

import numpy as np
import torch

from model.framing import Framing
from model.training.distil import map_distance, mix
from model.training.pictures import list_pictures, load_pictures, random_views


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


def test_a_map_is_at_no_distance_from_itself_in_any_size():
    target = torch.ones(2, 5, 7, 7) * torch.arange(1, 6).view(1, 5, 1, 1)
    assert float(map_distance(3 * target[:, :, :5, :5], target)) < 1e-6
    assert float(map_distance(-target, target)) > 3.9


def test_mixing_blends_every_second_view_with_its_neighbour():
    views = torch.stack([torch.full((3, 2, 2), float(n)) for n in range(4)])
    mixed = mix(views.clone(), np.random.default_rng(0))
    assert torch.equal(mixed[1::2], views[1::2])
    assert all(n <= float(mixed[n].min()) <= n + 1 for n in (0, 2))


def test_pictures_are_decoded_once(tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "a.png")
    paths = list_pictures(tmp_path)
    first = load_pictures(paths, framing=Framing(8), folder=tmp_path / "cache")
    (tmp_path / "a.png").unlink()
    again = load_pictures(paths, framing=Framing(8), folder=tmp_path / "cache")
    assert first.shape == (1, 8, 8, 3)
    assert np.array_equal(first, again)
