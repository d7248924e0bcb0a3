"""What the encoders of CAMERA and VSRN have in common: regions come in sets, a sentence becomes one vector."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from model.embeddings import ImageEmbedding, SentenceEmbedding
from model.regions.region_features import RegionFeatures

EncodeSet = Callable[[RegionFeatures], list[dict[str, Tensor]]]


def encode_sets(regions: RegionFeatures, encode: EncodeSet) -> list[ImageEmbedding]:
    """Encode images of like many regions together: padding would be a region as any other to these networks."""
    embeddings: dict[int, ImageEmbedding] = {}
    with torch.inference_mode():
        for count in sorted(set(regions.counts.tolist())):
            rows = torch.nonzero(regions.counts == count).flatten()
            boxes = regions.boxes[rows, :count]
            some = RegionFeatures(regions.features[rows, :count], boxes, regions.counts[rows], regions.sizes[rows])
            for row, channels, own in zip(rows.tolist(), encode(some), boxes.cpu(), strict=True):
                embeddings[row] = ImageEmbedding(channels, own)
    return [embeddings[row] for row in range(len(regions.counts))]


def whole_sentence(text: str, channels: Mapping[str, Tensor]) -> SentenceEmbedding:
    """No row belongs to a word, so nothing can be explained."""
    return SentenceEmbedding(text, channels, words=(), word_of_row=torch.empty(0, dtype=torch.int64))
