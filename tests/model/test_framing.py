"""What an encoder sees of a photograph."""

import pytest

from model.framing import Framing


def test_a_squashed_photograph_is_seen_whole() -> None:
    assert Framing(224).resized(640, 480) == (224, 224)
    assert Framing(224).window(640, 480) == (0, 0, 224, 224)
    assert Framing(224).box(640, 480) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("size", "resized", "window"),
    [
        ((400, 301), (340, 256), (58, 16, 282, 240)),
        ((256, 333), (256, 333), (16, 54, 240, 278)),  # half a pixel is rounded to even
        ((100, 100), (256, 256), (16, 16, 240, 240)),
    ],
)
def test_a_cut_keeps_the_middle(size, resized, window) -> None:
    framing = Framing(224, shorter_side=256)
    assert framing.resized(*size) == resized
    assert framing.window(*size) == window


def test_what_is_kept_is_told_in_shares_of_the_photograph() -> None:
    assert Framing(50, shorter_side=100).box(400, 100) == (0.4375, 0.25, 0.5625, 0.75)
