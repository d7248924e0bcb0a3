"""What SelfAlign minimises goes down."""

import torch
from torch import nn

from model.training.selfalign.captioning import Captioner, caption_labels
from model.training.selfalign.concepts import Prototypes
from model.training.selfalign.objectives import CameraObjective, Losses, VsrnObjective
from tests.selfalign import camera, regions, vsrn

IDS = torch.tensor([[1, 5, 6, 2, 0, 0], [1, 5, 7, 8, 4, 2], [1, 9, 2, 0, 0, 0]])
LENGTHS = torch.tensor([4, 6, 3])


def losses_while_training(network: nn.Module, objective: nn.Module, *arguments: torch.Tensor) -> list[Losses]:
    some = regions(5, 5, 5)
    boxes = (some.boxes, some.sizes) if isinstance(objective, CameraObjective) else ()
    parameters = [p for part in (network, objective) for p in part.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    seen = []
    network.train()
    for _ in range(30):
        images, sentences = network.image_side(some.features, *boxes), network.sentence_side(IDS, LENGTHS)
        seen.append(objective(images, sentences, *arguments))
        optimizer.zero_grad()
        seen[-1].total.backward()
        optimizer.step()
    return seen


def test_camera_learns():
    first, *_, last = losses_while_training(camera(), CameraObjective(Prototypes(6, 8)))
    assert set(first.by_name) == {"concept", "context", "ranking", "diversity"}
    assert last.total < 0.7 * first.total and last.by_name["ranking"] < first.by_name["ranking"]


def test_vsrn_learns():
    captioner = Captioner(width=8, vocabulary=11, hidden=6, word_width=5, longest=6)
    labels = caption_labels(IDS, LENGTHS, longest=6)
    first, *_, last = losses_while_training(vsrn(), VsrnObjective(Prototypes(6, 8), captioner), labels)
    assert last.total < 0.7 * first.total and last.by_name["captioning"] < first.by_name["captioning"]


def test_the_total_weights_diversity_alone():
    first = losses_while_training(camera(), CameraObjective(Prototypes(6, 8)))[0]
    weights = {"concept": 1, "context": 1, "ranking": 1, "diversity": 0.01}
    torch.testing.assert_close(first.total, sum(weights[name] * loss for name, loss in first.by_name.items()))
