"""VSRN against the obvious slow way, and what its switches do."""

import pytest
import torch

from model.errors import BadCheckpoint
from model.selfalign.config import Scaling, VsrnConfig
from tests.selfalign import regions, vsrn

IDS = torch.tensor([[1, 5, 6, 2, 0, 0], [1, 5, 7, 8, 4, 2]])
LENGTHS = torch.tensor([4, 6])


def test_relations_are_the_slow_ones():
    layer = vsrn().image_side.relations[0]
    x = torch.randn(1, 8, 4, generator=torch.Generator().manual_seed(2))
    asking, asked, given = (linear(x)[0].T for linear in (layer.asking, layer.asked, layer.given))  # [R, D]
    gathered = torch.stack([sum(asking[i] @ asked[j] / 4 * given[j] for j in range(4)) for i in range(4)])
    torch.testing.assert_close(layer(x), x + layer.norm(layer.taken(gathered.T[None])))


def test_a_sentence_is_the_same_alone_and_padded():
    side = vsrn().sentence_side
    batch = side(IDS, LENGTHS).vectors
    for row, length in enumerate(LENGTHS):
        alone = side(IDS[row : row + 1, :length], LENGTHS[row : row + 1]).vectors
        torch.testing.assert_close(batch[row], alone[0])


def test_as_published_padding_changes_a_sentence():
    side = vsrn(padding_counts=True).sentence_side
    batch, alone = side(IDS, LENGTHS).vectors, side(IDS[:1, :4], LENGTHS[:1]).vectors
    torch.testing.assert_close(batch[0, :8], alone[0, :8])  # what the GRU has read
    assert not torch.allclose(batch[0, 8:], alone[0, 8:], atol=1e-3)


@pytest.mark.parametrize(
    "switch", [{"feature_scaling": Scaling.NONE}, {"scaling": Scaling.FEATURE}, {"image_norm": True}]
)
def test_a_switch_changes_the_vectors(switch):
    features = regions(4, 4).features
    plain, switched = (network.image_side(features).vectors for network in (vsrn(), vsrn(**switch)))
    assert plain.shape == (2, 24) and not torch.allclose(plain, switched, atol=1e-3)


def test_a_configuration_survives_json():
    config = vsrn(image_norm=True, scaling=Scaling.FEATURE).config
    assert VsrnConfig.from_json(config.to_json()) == config
    with pytest.raises(BadCheckpoint):
        VsrnConfig.from_json({"vocabulary": 8})
