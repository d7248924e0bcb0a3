"""CAMERA against the obvious slow way, and what its switches do."""

import pytest
import torch

from model.selfalign.camera import GatedSelfAttention, geometry
from model.selfalign.config import CameraConfig, Scaling
from tests.selfalign import camera, regions

IDS = torch.tensor([[2, 6, 7, 10, 3, 0, 0], [2, 11, 7, 12, 10, 5, 3]])
LENGTHS = torch.tensor([5, 7])


def slow_attention(layer: GatedSelfAttention, x: torch.Tensor) -> torch.Tensor:
    """One item [L, D], head by head."""
    heads = []
    projected = (linear(x).chunk(layer.heads, dim=1) for linear in (layer.query, layer.key, layer.value))
    for q, k, v in zip(*projected, strict=True):
        gates = torch.sigmoid(layer.gate(layer.gate_query(q) * layer.gate_key(k)))
        q, k = q * gates[:, : q.shape[1]], k * gates[:, q.shape[1] :]
        heads.append((q @ k.T / q.shape[1] ** 0.5).softmax(dim=1) @ v)
    return torch.cat(heads, dim=1)


def test_gated_attention_is_the_slow_one_and_does_not_see_padding():
    layer = camera().sentence_side.attention
    x = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(2))
    found = layer(x, residual=2 * x, real=torch.arange(6)[None] < 4)
    expected = 2 * x[0, :4] + layer.norm(slow_attention(layer, x[0, :4])[None])[0]
    torch.testing.assert_close(found[0, :4], expected)


def test_a_sentence_is_the_same_alone_and_padded():
    side = camera().sentence_side
    batch = side(IDS, LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = side(IDS[row : row + 1, :length], LENGTHS[row : row + 1])
        torch.testing.assert_close(batch.vectors[row], alone.vectors[0])
        torch.testing.assert_close(batch.context_vectors[row], alone.context_vectors[0])


@pytest.mark.parametrize("switch", [{"padding_counts": True}, {"scaling": Scaling.FEATURE}, {"context_relu": False}])
def test_a_switch_changes_the_vectors(switch):
    plain, switched = (network.sentence_side(IDS, LENGTHS) for network in (camera(), camera(**switch)))
    assert not torch.allclose(plain.context_vectors[0], switched.context_vectors[0], atol=1e-3)


def test_views_weight_regions_with_shares_that_sum_to_one():
    side, some = camera().image_side, regions(5, 5)
    images = side(some.features, some.boxes, some.sizes)
    assert images.views.shape == (2, 3, 8) and images.view_logits.shape == (2, 5, 3)
    torch.testing.assert_close(images.views.norm(dim=2), torch.ones(2, 3))
    torch.testing.assert_close(images.context_vectors[:, 8:].norm(dim=1), torch.full((2,), 0.5))


def test_the_geometry_of_a_box_has_its_aspect_in_pixels():
    boxes = torch.tensor([[[0.25, 0.5, 0.75, 1.0], [0.5, 0.5, 0.5, 0.5]]])
    found = geometry(boxes, torch.tensor([[200.0, 100.0]]))
    torch.testing.assert_close(found[0, 0], torch.tensor([0.25, 0.5, 0.5, 0.5, 2.0, 0.25]))
    assert torch.isfinite(found).all()  # a box without area


def test_bert_is_frozen_and_drops_out_only_as_published():
    assert not any(parameter.requires_grad for parameter in camera().sentence_side.bert.parameters())
    assert not camera().train().sentence_side.bert.training
    assert camera(bert_dropout=True).train().sentence_side.bert.training


def test_a_configuration_survives_json():
    config = camera(scaling=Scaling.FEATURE).config
    assert CameraConfig.from_json(config.to_json()) == config
