"""Images and sentences with the structure of real ones, and without photographs: what the engine is measured on.

Two hundred families of concepts make two thousand concepts of unequal popularity; scenes prefer some of them. An image
shows three to six concepts of mostly one scene. Each of its regions is a concept, the way this image shows it, the
context of the whole image, and noise whose spectrum falls with a power law. A sentence is eight to fourteen words about
one image: its concepts, a part of how the image shows them, a context of its own, noise, and a third of weak words.
It is hard on purpose: regions of one image resemble one another, and words are far from the regions they mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAMILIES, CONCEPTS, SCENES, PREFERRED = 200, 2000, 120, 40
BLOCK = 1000  # images drawn at once
WEAK = 0.35  # share of the words that mean nothing by themselves

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """What the images of one block show."""

    concepts: NDArray[np.int64]  # [n, 6]
    counts: NDArray[np.int64]  # [n], how many of them
    instances: Floats  # [n, 6, D], how the image shows each
    context: Floats  # [n, D]


class Corpus:
    """The same seed gives the same images and sentences; a block of them needs none of the others."""

    def __init__(self, *, width: int, regions: int, seed: int = 0) -> None:
        self.width, self.regions, self._seed = width, regions, seed
        random = np.random.default_rng(seed)
        self._spectrum = (np.arange(1, width + 1) ** -0.5).astype(np.float32)
        self._spectrum *= np.sqrt(width / (self._spectrum**2).sum())
        families = self._noise(random, FAMILIES)
        self._concepts = _unit(families[random.integers(0, FAMILIES, CONCEPTS)] + 0.8 * self._noise(random, CONCEPTS))
        self._popularity = 1.0 / np.arange(1, CONCEPTS + 1)
        self._popularity /= self._popularity.sum()
        self._preferred = np.stack(
            [random.choice(CONCEPTS, PREFERRED, replace=False, p=self._popularity) for _ in range(SCENES)]
        )
        self._scenes, self._common = _unit(self._noise(random, SCENES)), _unit(self._noise(random, 1))[0]
        self._weak = _unit(self._noise(random, 50))

    def blocks(self, images: int, *, first: int = 0) -> Iterator[NDArray[np.float16]]:
        """All images from the first, a multiple of 1,000, some after the others, [n, R, D] of unit length."""
        for start in range(first, images, BLOCK):
            random, shown = self._draw(start // BLOCK)
            n, r = min(BLOCK, images - start), self.regions
            which = random.integers(0, 1 << 30, (BLOCK, r)) % shown.counts[:, None]  # [n, R]
            rows = np.arange(BLOCK)[:, None]
            vectors = self._concepts[shown.concepts[rows, which]] + 0.5 * shown.instances[rows, which]
            vectors += 0.6 * shown.context[:, None] + 0.5 * _unit(self._noise(random, BLOCK, r))
            yield _unit(vectors)[:n].astype(np.float16)

    def sentences(self, images: int, count: int, *, seed: int = 1) -> list[Floats]:
        """Words [W, D] of unit length about images that were drawn, one sentence after the other."""
        random = np.random.default_rng([self._seed, seed, 1 << 20])
        return [self._sentence(int(image), random) for image in random.integers(0, images, count)]

    def _sentence(self, image: int, random: np.random.Generator) -> Floats:
        _, shown = self._draw(image // BLOCK)
        row = image % BLOCK
        words = int(random.integers(8, 15))
        which = random.integers(0, shown.counts[row], words)
        vectors = self._concepts[shown.concepts[row, which]] + 0.25 * shown.instances[row, which]
        weak = random.random(words) < WEAK
        vectors[weak] = 0.3 * vectors[weak] + self._weak[random.integers(0, len(self._weak), int(weak.sum()))]
        vectors += (
            0.3 * shown.context[row] + 0.3 * _unit(self._noise(random, 1)) + 0.6 * _unit(self._noise(random, words))
        )
        return _unit(vectors)

    def _draw(self, block: int) -> tuple[np.random.Generator, _Shown]:
        random = np.random.default_rng([self._seed, block])
        scenes = random.integers(0, SCENES, BLOCK)
        of_scene = self._preferred[scenes[:, None], random.integers(0, PREFERRED, (BLOCK, 6))]
        of_world = random.choice(CONCEPTS, (BLOCK, 6), p=self._popularity)
        concepts = np.where(random.random((BLOCK, 6)) < 0.8, of_scene, of_world)
        context = 0.5 * self._scenes[scenes] + 0.6 * _unit(self._noise(random, BLOCK)) + 0.4 * self._common
        instances = _unit(self._noise(random, BLOCK, 6))
        return random, _Shown(concepts, random.integers(3, 7, BLOCK), instances, context)

    def _noise(self, random: np.random.Generator, *shape: int) -> Floats:
        return random.standard_normal((*shape, self.width), np.float32) * self._spectrum


def _unit(vectors: Floats) -> Floats:
    units: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return units
