"""SelfAlign's concept loss: a word belongs to the concepts that its most similar region was given."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WORD_TEMPERATURE = 0.1
SHARPNESS = 0.05  # of the assignment of regions
ITERATIONS = 2


class Prototypes(nn.Module):
    """The concepts, which both sides share: K vectors of length one, needed in training alone."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(count, width), dim=1))
        self.still = False  # while it is set, they do not learn

    def normalise(self) -> None:
        with torch.no_grad():
            self.weight.copy_(F.normalize(self.weight, dim=1))

    def forward(self, vectors: Tensor) -> Tensor:
        """Unit vectors [..., D] -> cosines [..., K]."""
        # Zeros and not nothing for a gradient: of several processes each waits for that of every weight.
        weight = self.weight.detach() + 0 * self.weight if self.still else self.weight
        return F.linear(vectors, weight)


def concept_loss(prototypes: Prototypes, regions: Tensor, words: Tensor, real_words: Tensor) -> Tensor:
    """Unit vectors of B pairs, regions [B, R, D] and words [B, T, D] of which `real_words` [B, T] count."""
    prototypes.normalise()
    with torch.no_grad():
        assigned = balanced_assignment(prototypes(regions.flatten(0, 1))).view(*regions.shape[:2], -1)  # [B, R, K]
        nearest = (words @ regions.transpose(1, 2)).argmax(dim=2)  # [B, T]
        targets = assigned.gather(1, nearest[..., None].expand(-1, -1, assigned.shape[2]))  # [B, T, K]
    guessed = F.log_softmax(prototypes(words) / WORD_TEMPERATURE, dim=2)  # [B, T, K]
    by_word = -(targets * guessed).sum(dim=2) * real_words  # [B, T]
    return (by_word.sum(dim=1) / real_words.sum(dim=1)).mean()


def balanced_assignment(cosines: Tensor, *, iterations: int = ITERATIONS) -> Tensor:
    """Sinkhorn-Knopp: shares of K concepts in N vectors from their cosines [N, K], every concept used alike.

    Rows of what comes back sum to one.
    """
    shares = torch.exp(cosines.float() / SHARPNESS)  # float32 throughout: exp(20) is beyond float16
    shares = shares / shares.sum()
    n, k = shares.shape
    for _ in range(iterations):
        shares = shares / (k * shares.sum(dim=0, keepdim=True))
        shares = shares / (n * shares.sum(dim=1, keepdim=True))
    return shares * n
