"""A search on a GPU: where all vectors lie in its memory every image is scored, and nothing is passed over.

Words are split into two halves of float16 each, so that products with float16 rows run on matrix units and are still
those of float32. A scan takes the first halves alone; how far that can be from the exact score is known, and what may
still belong to the best is scored exactly. Segments that do not fit are shortlisted on the CPU; of these the vectors
of candidates are brought over. The same code runs on any device of torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from indexer.index.device_columns import DeviceColumn, DeviceColumns
from indexer.index.engine import ROUNDING, images_at_once
from indexer.index.shortlist import Candidates, find_candidates
from indexer.index.snapshot import Part, Snapshot
from model.embeddings import Ragged, SentenceEmbedding
from model.scoring import MaxSim, Pooling, ScoreSpec, Term, score

PRODUCTS: Final = 2**25  # of rows with words that are held at once, in float32
LIKED: Final = 16  # words of which a multiple is multiplied quickest
SECOND: Final = 2.0**11  # by which the second half of a word is multiplied, so that it is not too small for float16


@dataclass(frozen=True, slots=True, eq=False)
class SplitWords:
    """Words as first + second / SECOND, each times its scale; filled up with zeros to what matrix units like."""

    first: Tensor  # [W, D] float16
    second: Tensor  # [W, D] float16
    scales: Tensor  # [W] float32

    @classmethod
    def of(cls, words: Tensor) -> "SplitWords":
        """Words [W, D] float32, finite."""
        words = F.pad(words, (0, 0, 0, -len(words) % LIKED))
        scales = words.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
        scaled = words / scales[:, None]
        first = scaled.half()
        return cls(first, ((scaled - first.float()) * SECOND).half(), scales)

    def missing(self) -> Tensor:
        """How long what the first halves leave of every word is, [W]."""
        missing: Tensor = self.second.float().norm(dim=1) * self.scales / SECOND
        return missing


class DeviceEngine:
    def __init__(self, device: str, *, room: int) -> None:
        """Of the memory of the device no more than `room` bytes are taken for vectors."""
        self.columns = DeviceColumns(torch.device(device), room=room)
        self._device = self.columns.device

    @torch.no_grad()
    def find_candidates(
        self, snapshot: Snapshot, words: Sequence[NDArray[np.float32]], *, recall: float, limit: int, least: int
    ) -> list[Candidates]:
        (channel, *_) = channels = _channels(snapshot.score_spec)
        self.columns.hold(snapshot, channels)
        parts = [part for part in snapshot.parts if len(part.alive)]
        here = [part for part in parts if self.columns.held(part.segment, channel) is not None]
        found = self._scan(here, channel, words, count=max(limit, least))
        if len(here) < len(parts):
            rest = snapshot.of_parts(part for part in parts if part not in here)
            elsewhere = find_candidates(rest, words, recall=recall, limit=limit, least=least)
            found = [_joined(*both) for both in zip(found, elsewhere, strict=True)]
        return found

    @torch.no_grad()
    def exact_scores(
        self, snapshot: Snapshot, rows: Tensor, sentence: SentenceEmbedding, *, spec: ScoreSpec, settled: bool = False
    ) -> Tensor:
        there = sentence.to(self._device, torch.float64 if settled else torch.float32)
        scores = [torch.empty(0, device=self._device)]
        for some in torch.split(rows, images_at_once(snapshot)) if len(rows) else ():
            of_terms = [self._term_scores(snapshot, some, there, term) for term in spec.counting_terms]
            scores.append(torch.stack(of_terms).sum(dim=0).float())
        return torch.cat(scores).cpu()

    def _term_scores(self, snapshot: Snapshot, rows: Tensor, sentence: SentenceEmbedding, term: Term) -> Tensor:
        """[K], of the dtype of the sentence."""
        runs = list(snapshot.runs(rows))
        vectors = torch.cat([self.columns.take(part, term.channel, images) for part, images in runs])
        counts = np.concatenate([part.segment.channels[term.channel].counts(images) for part, images in runs])
        words = sentence.channels[term.channel]
        if term.kernel == MaxSim(Pooling.MR_SW) and words.dtype == torch.float32:
            return term.weight * exact_mrsw(vectors, counts, SplitWords.of(words))
        regions = Ragged(vectors, torch.from_numpy(counts).to(self._device)).to(words.dtype)
        return score(ScoreSpec((term,)), {term.channel: regions}, sentence)

    def _scan(
        self, parts: Sequence[Part], channel: str, words: Sequence[NDArray[np.float32]], *, count: int
    ) -> list[Candidates]:
        """What may be among the best `count` of these segments, all of which are here."""
        if not parts:
            return [Candidates(np.empty(0, np.int64), np.empty(0, np.float32), 0.0, complete=True) for _ in words]
        split = SplitWords.of(torch.from_numpy(np.concatenate(words)).to(self._device))
        shares = _of_sentences(words, len(split.scales)).to(self._device)  # [Q, W]
        scores = torch.cat(  # [Q, n]
            [self._part_scores(part, channel, split.first, shares * split.scales) for part in parts], dim=1
        )
        longest = max(part.segment.head.byte_scale.longest + part.segment.head.byte_scale.error for part in parts)
        wrong = longest * (shares @ split.missing()) + ROUNDING  # [Q]
        best = scores.topk(min(count, scores.shape[1]), dim=1).values[:, -1]
        kept = (scores >= (best - 2 * wrong)[:, None]) & scores.isfinite()
        sentences, places = kept.nonzero(as_tuple=True)  # sentence by sentence
        rows, chosen = _rows(parts, places.cpu().numpy()), scores[sentences, places].cpu().numpy()
        edges = np.cumsum(kept.sum(dim=1).cpu().numpy())[:-1]
        found = zip(np.split(rows, edges), np.split(chosen, edges), wrong.tolist(), strict=True)
        return [Candidates(*of_one, complete=True) for of_one in found]

    def _part_scores(self, part: Part, channel: str, words: Tensor, shares: Tensor) -> Tensor:
        """MrSw of all images of a segment, about, [Q, n]; minus infinity for the dead."""
        held = self.columns.held(part.segment, channel)
        assert held is not None
        blocks = pairwise(_edges(held.column.offsets, rows=PRODUCTS // max(1, len(words))))
        scores = torch.cat([shares @ _best_products(held, words, *block).T for block in blocks], dim=1)
        return scores.masked_fill_(~self.columns.alive(part), -torch.inf)


def exact_mrsw(vectors: Tensor, counts: NDArray[np.int64], words: SplitWords) -> Tensor:
    """Rows [sum of R, D] float16 of images [K] that have so many each -> [K] float32."""
    first, second = _products(vectors, torch.cat([words.first, words.second])).chunk(2, dim=1)  # [sum of R, W] each
    cosines = first + second / SECOND
    if (counts == counts[0]).all():
        return _most_of_alike(cosines, int(counts[0])) @ words.scales
    edges = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])).to(vectors.device)
    return _most_of_ragged(cosines, edges) @ words.scales


def _best_products(held: DeviceColumn, words: Tensor, first: int, last: int) -> Tensor:
    """The most of all regions for every word, of images from `first` to before `last`, [n, W]."""
    start, end = held.column.offsets[[first, last]].tolist()
    products = _products(held.rows[start:end], words)
    if held.column.height is not None:
        return _most_of_alike(products, held.column.height)
    return _most_of_ragged(products, held.offsets[first : last + 1] - start)


def _products(rows: Tensor, words: Tensor) -> Tensor:
    """Rows [n, D] and words [W, D] of float16 -> [n, W], added up in float32."""
    if rows.device.type == "cuda":
        return torch.mm(rows, words.T, out_dtype=torch.float32)
    return rows.float() @ words.float().T


def _most_of_alike(products: Tensor, height: int) -> Tensor:
    """Maxima [n, W] over the rows of images that have as many."""
    return products.view(-1, height, products.shape[1]).amax(dim=1)


def _most_of_ragged(products: Tensor, edges: Tensor) -> Tensor:
    """Maxima [n, W] of rows [edges[i] : edges[i + 1]]."""
    most: Tensor = torch.segment_reduce(products, "max", offsets=edges, axis=0, unsafe=True)
    return most


def _edges(offsets: NDArray[np.int64], *, rows: int) -> list[int]:
    """Where to cut images into blocks of about so many rows: the first image of each, and the number of all."""
    edges, last = [0], len(offsets) - 1
    while edges[-1] < last:
        fitting = int(np.searchsorted(offsets, offsets[edges[-1]] + rows, side="right")) - 1
        edges.append(min(last, max(edges[-1] + 1, fitting)))
    return edges


def _of_sentences(words: Sequence[NDArray[np.float32]], count: int) -> Tensor:
    """Which of `count` words, one sentence's after the other's, are whose: [Q, W] of ones and zeros."""
    whose = torch.zeros(len(words), count)
    edges = np.cumsum([0, *(len(some) for some in words)])
    for sentence, (start, end) in enumerate(pairwise(edges.tolist())):
        whose[sentence, start:end] = 1.0
    return whose


def _rows(parts: Sequence[Part], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the snapshot at some places in the scan of these segments."""
    begins = np.cumsum([0, *(len(part.alive) for part in parts)])
    which = np.searchsorted(begins, places, side="right") - 1
    rows: NDArray[np.int64] = places - begins[which] + np.array([part.start for part in parts])[which]
    return rows


def _joined(here: Candidates, elsewhere: Candidates) -> Candidates:
    rows = np.concatenate([here.rows, elsewhere.rows])
    order = np.argsort(rows, kind="stable")
    return Candidates(
        rows[order],
        np.concatenate([here.scores, elsewhere.scores])[order],
        max(here.most_wrong, elsewhere.most_wrong),
        complete=here.complete and elsewhere.complete,
    )


def _channels(spec: ScoreSpec) -> list[str]:
    """Those that a search looks at, that of the shortlist first."""
    (first, *_) = spec.terms
    return list(dict.fromkeys([first.channel, *(term.channel for term in spec.counting_terms)]))
