"""MobileNetV2 is the deployed network, to the last digit that matters."""

import pytest
import torch

from model.errors import BadRecipe
from model.regions.mobilenet import MobileNetV2, MobileNetV2Config
from model.regions.windows import WindowExtractor, WindowsConfig


def test_its_weights_come_from_the_deployed_file_and_it_computes_the_same(shared):
    pytest.importorskip("onnx")
    from model.training.onnx_weights import load_onnx_weights
    from model.training.teacher import Teacher

    path = shared / "weights" / "mobilenetv2" / "mobilenetv2_224.onnx"
    network = MobileNetV2(MobileNetV2Config()).eval()
    load_onnx_weights(network, path)
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        fine, last = network.maps(pixels)
    assert fine.shape == (2, 96, 14, 14)
    torch.testing.assert_close(last, Teacher(path, threads=1)(pixels), atol=1e-4, rtol=1e-4)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    pytest.importorskip("onnx")
    from model.training.onnx_weights import load_onnx_weights

    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(BadRecipe, match=r"broken\.onnx"):
        load_onnx_weights(MobileNetV2(MobileNetV2Config()), tmp_path / "broken.onnx")


def test_windows_are_pooled_from_it_and_its_configuration_survives_json():
    config = WindowsConfig(MobileNetV2Config(), feature_width=12, picture_side=64)
    assert WindowsConfig.from_json(config.to_json()) == config
    with torch.inference_mode():
        assert WindowExtractor(config).eval()(torch.rand(1, 3, 64, 64)).shape == (1, 36, 12)
