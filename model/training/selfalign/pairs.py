"""What is called in every step of SelfAlign: both sides of its base on B pairs, and all of its losses."""

from torch import Tensor, nn

from model.regions.region_features import RegionFeatures
from model.selfalign.camera import Camera
from model.selfalign.vsrn import Vsrn
from model.training.selfalign.captioning import caption_labels
from model.training.selfalign.objectives import CameraObjective, Losses, VsrnObjective


class CameraPairs(nn.Module):
    def __init__(self, network: Camera, objective: CameraObjective) -> None:
        super().__init__()
        self.network = network
        self.objective = objective

    def forward(self, regions: RegionFeatures, token_ids: Tensor, lengths: Tensor) -> Losses:
        images = self.network.image_side(regions.features, regions.boxes, regions.sizes)
        losses: Losses = self.objective(images, self.network.sentence_side(token_ids, lengths))
        return losses


class VsrnPairs(nn.Module):
    def __init__(self, network: Vsrn, objective: VsrnObjective) -> None:
        super().__init__()
        self.network = network
        self.objective = objective

    def forward(self, regions: RegionFeatures, word_ids: Tensor, lengths: Tensor) -> Losses:
        labels = caption_labels(word_ids, lengths, longest=self.objective.captioner.longest)
        images, sentences = self.network.image_side(regions.features), self.network.sentence_side(word_ids, lengths)
        losses: Losses = self.objective(images, sentences, labels)
        return losses
