"""What is called in every step: both sides on a batch, and where they would put it in the vectors of a teacher."""

from typing import NamedTuple

from torch import Tensor, nn

from model.scoring import maxsim
from model.training.sentence_teacher import Foretelling, Guesses
from model.training.trainee import Trainee
from model.training.views import Seen


class Scored(NamedTuple):
    scores: Tensor  # [N, C]
    scale: Tensor  # by which they are multiplied in a cross-entropy
    guesses: Guesses | None  # without a teacher none are asked for


class Learner(nn.Module):
    def __init__(self, trainee: Trainee, foretelling: Foretelling | None, *, regions_seen: float) -> None:
        super().__init__()
        self.trainee = trainee
        self.foretelling = foretelling
        self._regions_seen = regions_seen

    def forward(self, seen: Seen, token_ids: Tensor, lengths: Tensor) -> Scored:
        """token_ids [C, L], of which `lengths` [C] are real."""
        images = self.trainee.embed_images(seen, share=self._regions_seen)
        captions = self.trainee.embed_captions(token_ids, lengths)
        scores = maxsim(*images, *captions, pooling=self.trainee.teran.config.pooling)
        guesses = self.foretelling(images, captions) if self.foretelling is not None else None
        return Scored(scores.float(), self.trainee.log_scale.exp(), guesses)
