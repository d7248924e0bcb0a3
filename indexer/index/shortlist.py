"""The shortlist: the images that may be among the best for a sentence, found without scoring all of them."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from indexer.index.region_index import nearest_regions
from indexer.index.snapshot import Part, Snapshot
from model.embeddings import SentenceEmbedding

# Measured with 8,000 images of 36 regions: half of either costs a few per cent of recall, twice brings next to nothing.
REGIONS = 8  # that a word finds, for every image of the shortlist
LOOKED_AT = 2  # share of the regions that a word looks at, for every share of the images that is shortlisted
FEWEST = 64  # regions that a word finds in a segment, if there are as many


@dataclass(frozen=True, slots=True)
class Shortlist:
    rows: Tensor  # [K] int64, best first


@dataclass(frozen=True, slots=True)
class _Found:
    """What the words found in one segment."""

    images: Tensor  # [W, found] int64
    cosines: Tensor  # [W, found] float32


def shortlist(snapshot: Snapshot, sentence: SentenceEmbedding, *, size: int) -> Shortlist:
    """`size` live images, or all there are. The same commit and sentence give the same."""
    if snapshot.live_count <= size:
        return Shortlist(snapshot.live_rows)
    share = size / snapshot.live_count
    found = [_find(part, sentence, share=share) for part in snapshot.parts]
    last = torch.stack([some.cosines.amin(dim=1) for some in found]).amin(dim=0)  # [W], the worst that a word found
    estimates = torch.cat([_estimate(part, some, last) for part, some in zip(snapshot.parts, found, strict=True)])
    bar = estimates.topk(size).values[-1]
    rows = torch.nonzero(estimates >= bar).flatten()  # ascending, and more than `size` if estimates tie at the bar
    best = estimates[rows].sort(descending=True, stable=True).indices[:size]
    return Shortlist(rows[best])


def _find(part: Part, sentence: SentenceEmbedding, *, share: float) -> _Found:
    """The nearest regions of every word, and whose they are."""
    segment = part.segment
    channel = segment.head.shortlist_channel
    regions, cosines = nearest_regions(
        segment.region_index,
        sentence.channels[channel].numpy(),
        count=max(FEWEST, math.ceil(REGIONS * share * len(part.alive))),
        share=min(1.0, LOOKED_AT * share),
    )
    images = np.searchsorted(segment.channels[channel].offsets, regions, side="right") - 1
    return _Found(torch.from_numpy(images), torch.from_numpy(cosines))


def _estimate(part: Part, found: _Found, last: Tensor) -> Tensor:
    """About the score of every image of a segment, [n]; minus infinity for the deleted.

    An image that a word did not find counts with the worst that the word found anywhere: it can hardly be better. Were
    it the worst found in the same segment, chance would lift whole segments above others.
    """
    unfound = last.expand(len(part.alive), -1)  # [n, W]
    best = unfound.scatter_reduce(0, found.images.T, found.cosines.T, "amax")
    return best.sum(dim=1).masked_fill(torch.from_numpy(~part.alive), -torch.inf)
