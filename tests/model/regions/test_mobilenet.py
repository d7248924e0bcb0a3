"""MobileNetV2 is the deployed network, to the last digit that matters."""

import pytest
import torch
import torch.nn.functional as F

from model.errors import BadRecipe
from model.regions.mobilenet import MobileNetV2, MobileNetV2Config, beside
from model.regions.windows import WindowExtractor, WindowsConfig


def test_its_weights_come_from_the_deployed_file_and_it_computes_the_same(shared):
    onnxruntime = pytest.importorskip("onnxruntime")
    from model.training.onnx_weights import load_onnx_weights

    path = shared / "weights" / "mobilenetv2" / "mobilenetv2_224.onnx"
    network = MobileNetV2(MobileNetV2Config()).eval()
    load_onnx_weights(network, path)
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        feature_map, normalised = network(pixels), network.normalised(pixels)
    assert feature_map.shape == (2, 96 + 1280, 14, 14)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (last,) = session.run(None, {session.get_inputs()[0].name: normalised.contiguous().numpy()})
    expected = F.interpolate(torch.from_numpy(last), size=(14, 14), mode="bilinear", align_corners=False)
    torch.testing.assert_close(feature_map[:, 96:], expected, atol=1e-4, rtol=1e-4)


def test_its_pieces_one_after_the_other_are_the_network():
    network = MobileNetV2(MobileNetV2Config(width=0.25, last_width=16)).eval()
    pixels = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        x, maps = network.normalised(pixels), []
        for piece in network.pieces():
            x = piece(x)
            maps.append(x)
        feature_map = network(pixels)
    assert len(maps) == 19
    fine = next(one for one in reversed(maps) if one.shape[-1] == 4)
    torch.testing.assert_close(feature_map, beside(fine, maps[-1]))


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
