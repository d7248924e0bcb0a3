"""Margins, as those need them that would be missed."""

import numpy as np

from indexer.calibration import ALLOWED, RECALLS, calibrate
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
    for reach in calibrate(*segment(0)):
        assert list(reach.margins) == list(reach.usual) == list(RECALLS)
        for values in (list(reach.margins.values()), list(reach.usual.values())):
            assert values == sorted(values) and values[0] < values[-1]
        assert reach.usual[0.9] >= 10 and reach.usual[0.999] <= IMAGES and 10 <= reach.most <= IMAGES


def test_sketches_need_more_images_than_codes_and_codes_that_fit_badly_more_than_good_ones() -> None:
    by_codes, by_sketches = calibrate(*segment(0))
    of_bad_codes, _ = calibrate(*segment(0, codebooks_of=1))
    assert by_sketches.usual[0.99] > by_codes.usual[0.99]
    assert of_bad_codes.usual[0.99] > by_codes.usual[0.99]


def test_the_same_segment_has_the_same_reach() -> None:
    one, other = (calibrate(*segment(0)) for _ in range(2))
    assert one == other and 0 < ALLOWED < 0.5
