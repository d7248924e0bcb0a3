"""What is called in every step: both sides on a batch, and where they would put it in the vectors of a teacher."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.regions.region_features import RegionFeatures
from model.scoring import maxsim
from model.training.hardware import in_float32
from model.training.sentence_teacher import Foretelling, Guesses
from model.training.trainee import Rows, Trainee
from model.training.views import Seen


class Scored(NamedTuple):
    scores: Tensor  # [N, C]
    scale: Tensor  # by which they are multiplied in a cross-entropy
    guesses: Guesses | None  # without a teacher none are asked for
    images: Rows
    places: Tensor  # [R], of their regions among all that were found
    captions: Rows


class Learner(nn.Module):
    def __init__(self, trainee: Trainee, foretelling: Foretelling | None, *, regions_seen: float) -> None:
        super().__init__()
        self.trainee = trainee
        self.foretelling = foretelling
        self._regions_seen = regions_seen

    def forward(self, seen: Seen, token_ids: Tensor, lengths: Tensor) -> Scored:
        """token_ids [C, L], of which `lengths` [C] are real."""
        found = self.trainee.find_regions(seen)
        places = some_places(found.features.shape[1], self._regions_seen).to(found.features.device)
        images = self.trainee.embed_regions(_regions_at(found, places))
        captions = self.trainee.embed_captions(token_ids, lengths)
        with in_float32(images.vectors.device):
            scores = maxsim(*images, *captions, pooling=self.trainee.teran.config.pooling)
        guesses = self.foretelling(images, captions) if self.foretelling is not None else None
        return Scored(scores, self.trainee.log_scale.exp(), guesses, images, places, captions)


def some_places(regions: int, share: float) -> Tensor:
    """A random share of the places of so many regions, ascending; the first is among them: no image goes without."""
    others = torch.arange(1, regions)
    if share < 1:
        others = others[torch.randperm(regions - 1)[: max(1, round(share * regions)) - 1]]
    return torch.cat([others.new_zeros(1), others.sort().values])


def _regions_at(found: RegionFeatures, places: Tensor) -> RegionFeatures:
    """The same places in all images of a batch."""
    if len(places) == found.features.shape[1]:
        return found
    counts = (places < found.counts[:, None]).sum(dim=1)
    return replace(found, features=found.features[:, places], boxes=found.boxes[:, places], counts=counts)
