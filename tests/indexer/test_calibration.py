"""What calibration tells of a segment: margins and sizes that grow with the recall that is promised."""

import numpy as np
import pytest

from indexer import calibration
from indexer.calibration import RECALLS, calibrate
from indexer.index.byte_rows import byte_rows_of
from indexer.index.region_codes import RegionCodes
from indexer.region_coder import encode_rows, train_codebooks

IMAGES, REGIONS, WIDTH = 1200, 4, 16


def segment(seed: int, *, codebooks_of: int | None = None):
    rows = images(seed)
    codebooks = train_codebooks(rows if codebooks_of is None else images(codebooks_of))
    byte_rows, scale = byte_rows_of(rows)
    offsets = np.arange(0, IMAGES * REGIONS + 1, REGIONS)
    return RegionCodes.of(codebooks, encode_rows(codebooks, byte_rows, scale), offsets), byte_rows, scale


def images(seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((IMAGES * REGIONS, WIDTH)) ** 3
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def test_more_recall_needs_more_margin_and_no_question_more_than_all_images() -> None:
    for cutoffs in calibrate(*segment(0)):
        for cutoff in (cutoffs.by_codes, cutoffs.by_sketches):
            assert list(cutoff.margins) == list(cutoff.mean_sizes) == list(RECALLS)
            for values in (list(cutoff.margins.values()), list(cutoff.mean_sizes.values())):
                assert values == sorted(values) and values[0] < values[-1]
            assert cutoff.mean_sizes[0.9] >= 10 and cutoff.mean_sizes[0.999] <= IMAGES and 10 <= cutoff.most <= IMAGES


def test_sketches_need_more_images_than_codes_and_codes_that_fit_badly_more_than_good_ones() -> None:
    whole, _ = calibrate(*segment(0))
    of_bad_codes, _ = calibrate(*segment(0, codebooks_of=1))
    assert whole.by_sketches.mean_sizes[0.99] > whole.by_codes.mean_sizes[0.99]
    assert of_bad_codes.by_codes.mean_sizes[0.99] > whole.by_codes.mean_sizes[0.99]


def test_where_the_best_images_are_left_out_margins_are_greater() -> None:
    whole, narrowed = calibrate(*segment(0))
    assert narrowed.by_codes.margins[0.99] > whole.by_codes.margins[0.99]
    assert narrowed.by_sketches.margins[0.99] > whole.by_sketches.margins[0.99]


def test_a_part_of_the_images_tells_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    every, _ = calibrate(*segment(0))
    monkeypatch.setattr(calibration, "ASKED", IMAGES // 3)
    some, _ = calibrate(*segment(0))
    for recall in (0.9, 0.99):
        assert some.by_codes.margins[recall] == pytest.approx(every.by_codes.margins[recall], rel=0.5)
        assert some.by_codes.mean_sizes[recall] == pytest.approx(every.by_codes.mean_sizes[recall], rel=0.5)


def test_the_same_segment_has_the_same_cutoffs() -> None:
    one, other = (calibrate(*segment(0)) for _ in range(2))
    assert one == other
