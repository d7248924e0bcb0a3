"""SelfAlign's losses against loops that say the same slowly."""

import math

import pytest
import torch
import torch.nn.functional as F

from model.selfalign.places import unit
from model.training.selfalign.captioning import Captioner, caption_labels, captioning_loss, label_mask
from model.training.selfalign.concepts import Prototypes, balanced_assignment, concept_loss
from model.training.selfalign.context import context_loss
from model.training.selfalign.objectives import diversity_loss

REAL = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return unit(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))


def test_an_assignment_is_balanced_over_the_concepts():
    shares = balanced_assignment(random(30, 4), iterations=50)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(30))
    torch.testing.assert_close(shares.sum(dim=0), torch.full((4,), 30 / 4), atol=1e-2, rtol=0)


def test_a_word_is_drawn_to_the_concepts_of_its_nearest_region():
    prototypes, regions, words = Prototypes(5, 8).requires_grad_(False), random(3, 4, 8), random(3, 3, 8, seed=1)
    loss = concept_loss(prototypes, regions, words, REAL)
    assigned = balanced_assignment(regions.view(12, 8) @ prototypes.weight.T).view(3, 4, 5)
    captions = []
    for i in range(3):
        terms = []
        for word in words[i][REAL[i]]:
            target = assigned[i, int((regions[i] @ word).argmax())]
            terms.append(-float((target * F.log_softmax(prototypes.weight @ word / 0.1, dim=0)).sum()))
        captions.append(sum(terms) / len(terms))
    assert float(loss) == pytest.approx(sum(captions) / 3, rel=1e-5)


def test_prototypes_keep_their_length():
    prototypes = Prototypes(5, 8)
    prototypes.weight.data *= 3
    concept_loss(prototypes, random(3, 4, 8), random(3, 3, 8), REAL).backward()
    torch.testing.assert_close(prototypes.weight.norm(dim=1), torch.ones(5))
    assert prototypes.weight.grad is not None


def test_still_prototypes_draw_words_and_do_not_learn():
    prototypes, words = Prototypes(5, 8), random(3, 3, 8).requires_grad_()
    prototypes.still = True
    concept_loss(prototypes, random(3, 4, 8), words, REAL).backward()
    assert float(prototypes.weight.grad.abs().max()) == 0.0
    assert float(words.grad.abs().max()) > 0.0


@pytest.mark.parametrize("negatives", [2, 512])
def test_the_context_of_an_item_competes_with_the_hardest_places_of_others(negatives):
    wholes, places = random(3, 8), random(3, 3, 8, seed=1)
    losses = []
    for b in range(3):
        others = [float(wholes[b] @ places[c, p]) / 0.7 for c in range(3) if c != b for p in range(3) if REAL[c, p]]
        wrong = sum(math.exp(value) for value in sorted(others)[-negatives:])
        for p in range(3):
            if REAL[b, p]:
                right = math.exp(float(wholes[b] @ places[b, p]) / 0.7)
                losses.append(-math.log(right / (right + wrong)))
    assert float(context_loss(wholes, places, REAL, negatives=negatives)) == pytest.approx(sum(losses) / len(losses))


def test_as_published_its_own_places_are_wrong_ones_too_but_far_away():
    wholes, places = random(3, 8), random(3, 3, 8, seed=1)
    plain, published = context_loss(wholes, places, REAL), context_loss(wholes, places, REAL, own=-10.0)
    assert 0 < float(published - plain) < 1e-4


def test_labels_are_cut_to_what_the_captioner_writes_and_count_up_to_the_first_padding():
    ids, lengths = torch.tensor([[1, 5, 6, 7, 8, 2], [1, 5, 2, 0, 0, 0]]), torch.tensor([6, 3])
    labels = caption_labels(ids, lengths, longest=4)
    assert labels.tolist() == [[1, 5, 6, 2, 0], [1, 5, 2, 0, 0]]
    assert label_mask(labels).int().tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]


def test_the_captioning_loss_is_the_likelihood_of_the_words():
    captioner = Captioner(width=8, vocabulary=9, hidden=6, word_width=5, longest=4, dropout=0.0).requires_grad_(False)
    labels = torch.tensor([[1, 5, 6, 2, 0], [1, 5, 2, 0, 0]])
    guessed = captioner(random(2, 3, 8), labels)
    assert guessed.shape == (2, 3, 9)
    expected = -sum(float(guessed[row, step, labels[row, step + 1]]) for row in range(2) for step in range(3))
    assert float(captioning_loss(captioner, random(2, 3, 8), labels)) == pytest.approx(expected / 2, rel=1e-5)


def test_views_of_the_same_regions_are_not_diverse():
    one = torch.randn(2, 4, 1, generator=torch.Generator().manual_seed(0))
    assert float(diversity_loss(one.expand(-1, -1, 3))) == pytest.approx(2 * 6)
    assert float(diversity_loss(torch.eye(4)[None, :, :3])) == pytest.approx(0)
