"""Losses against loops that say the same slowly."""

import math

import pytest
import torch

from model.training.losses import contrastive_loss, multi_positive_cross_entropy, multi_positive_hinge


@pytest.mark.parametrize("hardest", [True, False])
def test_the_hinge_counts_every_wrong_pair_or_the_worst_of_each_row_and_column(hardest):
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for i in range(5):
        rows = [max(0.0, 0.2 + float(scores[i, j] - scores[i, i])) for j in range(5) if j != i]
        columns = [max(0.0, 0.2 + float(scores[j, i] - scores[i, i])) for j in range(5) if j != i]
        total += max(rows) + max(columns) if hardest else sum(rows) + sum(columns)
    assert float(contrastive_loss(scores, margin=0.2, hardest=hardest)) == pytest.approx(total, rel=1e-5)


def test_another_caption_of_the_same_image_is_no_wrong_pair():
    scores = torch.tensor([[1.0, 5.0], [5.0, 1.0]])
    assert float(contrastive_loss(scores, margin=0.2, hardest=True)) > 0
    same = torch.ones(2, 2, dtype=torch.bool)
    assert float(contrastive_loss(scores, margin=0.2, hardest=True, same_image=same)) == 0


def test_captions_of_one_image_do_not_compete():
    scores = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    owners = torch.tensor([0, 0, 1, 1, 2, 2])
    to_image, to_text = 0.0, 0.0
    for caption, owner in enumerate(owners.tolist()):
        right = float(scores[owner, caption])
        to_image += math.log(sum(math.exp(float(scores[i, caption])) for i in range(3))) - right
        others = [math.exp(float(scores[owner, c])) for c in range(6) if owners[c] != owner]
        to_text += math.log(math.exp(right) + sum(others)) - right
    expected = (to_image + to_text) / 6
    assert float(multi_positive_cross_entropy(scores, owners)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("hardest", [True, False])
def test_with_one_caption_an_image_the_hinge_is_the_published_one_as_a_mean(hardest):
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(2))
    mean = multi_positive_hinge(scores, torch.arange(5), margin=0.2, hardest=hardest)
    assert float(mean) == pytest.approx(float(contrastive_loss(scores, margin=0.2, hardest=hardest)) / 5, rel=1e-5)


@pytest.mark.parametrize("hardest", [True, False])
def test_the_hinge_holds_no_caption_against_another_of_its_image(hardest):
    scores = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))
    owners, total = [0, 0, 1, 1, 2, 2], 0.0
    for caption, owner in enumerate(owners):
        right = float(scores[owner, caption])
        images = [max(0.0, 0.2 + float(scores[i, caption]) - right) for i in range(3) if i != owner]
        captions = [max(0.0, 0.2 + float(scores[owner, c]) - right) for c in range(6) if owners[c] != owner]
        total += max(images) + max(captions) if hardest else sum(images) + sum(captions)
    mean = multi_positive_hinge(scores, torch.tensor(owners), margin=0.2, hardest=hardest)
    assert float(mean) == pytest.approx(total / 6, rel=1e-5)
