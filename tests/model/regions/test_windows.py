"""Windows pooled from a map, against averages taken cell by cell."""

import numpy as np
import torch

from model.embeddings import Picture
from model.regions.mobilenet import MobileNetV2Config
from model.regions.windows import WindowExtractor, WindowsConfig, pool_windows, window_boxes


def test_there_are_36_windows_inside_of_the_picture():
    x0, y0, x1, y1 = window_boxes().unbind(dim=1)
    assert len(x0) == 36
    assert bool(((x0 >= 0) & (x0 < x1) & (x1 <= 1) & (y0 >= 0) & (y0 < y1) & (y1 <= 1)).all())
    assert len(torch.unique(window_boxes(), dim=0)) == 36


def test_a_window_is_the_average_of_what_it_covers():
    feature_map = torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(0))
    pooled = pool_windows(feature_map, window_boxes())
    fine = feature_map.repeat_interleave(100, dim=2).repeat_interleave(100, dim=3)  # 100 samples a cell and axis
    for number, (x0, y0, x1, y1) in enumerate(window_boxes().tolist()):
        seen = fine[:, :, round(y0 * 700) : round(y1 * 700), round(x0 * 500) : round(x1 * 500)]
        torch.testing.assert_close(pooled[:, number], seen.mean(dim=(2, 3)), atol=2e-2, rtol=0)


def test_on_a_cpu_pictures_are_looked_at_two_at_a_time_unless_the_network_learns():
    extractor = WindowExtractor(WindowsConfig(MobileNetV2Config(width=0.125, last_width=8), feature_width=12))
    seen = []
    extractor.convnet.register_forward_hook(lambda _, arguments, __: seen.append(len(arguments[0])))
    pixels = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    together, apart = extractor.train().windows_of(pixels), extractor.eval().windows_of(pixels)
    assert seen == [5, 2, 2, 1]
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=0)


def test_pictures_become_features_and_boxes():
    extractor = WindowExtractor(WindowsConfig(MobileNetV2Config(width=0.125, last_width=8), feature_width=12)).eval()
    pictures = [Picture(np.full((224, 224, 3), shade, dtype=np.uint8), 640, 480) for shade in (0, 255)]
    with torch.inference_mode():
        regions = extractor.extract(pictures)
        alone = extractor.extract(pictures[1:])
    assert regions.features.shape == (2, 36, 12)
    assert regions.boxes.shape == (2, 36, 4)
    assert regions.counts.tolist() == [36, 36]
    torch.testing.assert_close(regions.features[1], alone.features[0], atol=1e-5, rtol=0)
