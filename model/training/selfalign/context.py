"""SelfAlign's context loss: the whole of one side is nearer to the places of its own item than to those of others."""

import torch
from torch import Tensor

TEMPERATURE = 0.7
NEGATIVES = 512


def context_loss(
    wholes: Tensor, places: Tensor, real: Tensor, *, negatives: int = NEGATIVES, own: float = -torch.inf
) -> Tensor:
    """InfoNCE with the hardest negatives: wholes [B, D] of one side, places [B, L, D] of the other, real [B, L].

    Every real place is a right answer for its own item; of the places of all others the `negatives` most similar are
    wrong ones. As published, places of the item itself are among them with `own` -10; it tells where others are few.
    """
    similarity = torch.einsum("bd,cld->bcl", wholes, places) / TEMPERATURE  # [B, B, L]
    itself = torch.eye(len(places), dtype=torch.bool, device=wholes.device)[..., None]  # [B, B, 1]
    others = similarity.masked_fill(itself, own).masked_fill(~real, -torch.inf).flatten(1)  # [B, B * L]
    wrong = others.topk(min(negatives, others.shape[1])).values.logsumexp(dim=1)  # [B]
    right = similarity.diagonal().T  # [B, L]
    losses = torch.logaddexp(right, wrong[:, None]) - right  # [B, L]
    return losses[real].mean()
