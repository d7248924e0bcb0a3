"""Other ways to find the best images: each is given all vectors and answers with rows, best first."""

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.corpus import Floats

BLOCK = 500  # images whose scores are computed at once
PROBED = (1 / 64, 1 / 32, 1 / 16, 1 / 8)  # share of the lists of an inverted file
NEIGHBOURS = (1000, 2000, 4000, 8000)  # regions found for every word

Vectors = list[NDArray[np.float16]]  # [n, R, D] of every segment
Engine = Callable[[Floats, int], list[int]]  # words, how many -> rows, best first
Recall = Callable[[Engine], float]  # of the exact best, measured on a few sentences
PACKAGES = {"maxsim-cpu": "maxsim_cpu", "fast-plaid": "fast_plaid", "lancedb": "lancedb"}


def peer(name: str, vectors: Vectors, *, recall: Recall, wanted: float) -> Engine | None:
    """None where its package is not installed. What can be tuned is, until it has the recall that is wanted."""
    if name in PACKAGES and find_spec(PACKAGES[name]) is None:
        return None
    match name:
        case "torch":
            return by_torch(vectors)
        case "numpy":
            return by_numpy(vectors)
        case "maxsim-cpu":
            return by_maxsim_cpu(vectors)
        case "fast-plaid":
            return by_fast_plaid(vectors)
        case "lancedb":
            return by_lancedb(vectors)
        case _:
            return by_faiss(vectors, recall=recall, wanted=wanted)


def by_torch(vectors: Vectors) -> Engine:
    blocks = [torch.from_numpy(some.astype(np.float32)) for some in in_blocks(vectors)]

    def ask(words: Floats, limit: int) -> list[int]:
        wanted = torch.from_numpy(words).T
        rows: list[int] = torch.cat([(some @ wanted).amax(dim=1).sum(dim=1) for some in blocks]).topk(limit)[1].tolist()
        return rows

    return ask


def by_numpy(vectors: Vectors) -> Engine:
    blocks = [some.astype(np.float32) for some in in_blocks(vectors)]
    return lambda words, limit: best(np.concatenate([(b @ words.T).max(axis=1).sum(axis=1) for b in blocks]), limit)


def by_faiss(vectors: Vectors, *, recall: Recall, wanted: float) -> Engine:
    """The nearest regions of every word by an inverted file, and all images that have one scored exactly."""
    count, (regions, width) = sum(map(len, vectors)), vectors[0].shape[1:]
    lists = min(4096, 2 ** int(np.log2(np.sqrt(count * regions))))
    index: Any = faiss.index_factory(width, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    rows = [some.reshape(-1, width) for some in vectors]
    index.train(np.concatenate([some[:: max(1, count * regions // (40 * lists))] for some in rows]).astype(np.float32))
    for some in in_blocks(vectors):
        index.add(some.reshape(-1, width).astype(np.float32))

    def with_settings(probed: float, neighbours: int) -> Engine:
        def ask(words: Floats, limit: int) -> list[int]:
            index.nprobe = max(1, int(lists * probed))
            _, found = index.search(words, neighbours)
            images = np.unique(found[found >= 0] // regions)
            some = np.concatenate([part[images[a:b] - s] for part, s, a, b in runs(vectors, images)])
            scores = (some.astype(np.float32) @ words.T).max(axis=1).sum(axis=1)
            return [int(images[place]) for place in best(scores, limit)]

        return ask

    for probed, neighbours in sorted(product(PROBED, NEIGHBOURS), key=lambda pair: pair[0] * pair[1]):
        ask = with_settings(probed, neighbours)
        if recall(ask) >= wanted:
            break
    return ask


def by_maxsim_cpu(vectors: Vectors) -> Engine:
    import maxsim_cpu  # type: ignore[import-not-found]

    every = np.concatenate(vectors).astype(np.float32)
    return lambda words, limit: best(maxsim_cpu.maxsim_scores(words, every), limit)


def by_fast_plaid(vectors: Vectors) -> Engine:
    from fast_plaid import search  # type: ignore[import-not-found]

    index = search.FastPlaid(index=str(Path(tempfile.mkdtemp()) / "plaid"), device="cpu")
    index.create(documents_embeddings=[torch.from_numpy(image).float() for some in vectors for image in some])

    def ask(words: Floats, limit: int) -> list[int]:
        (found,) = index.search(queries_embeddings=torch.from_numpy(words)[None], top_k=limit)
        return [int(row) for row, _ in found]

    return ask


def by_lancedb(vectors: Vectors) -> Engine:
    import lancedb  # type: ignore[import-not-found]
    import pyarrow  # type: ignore[import-not-found]

    regions, width = vectors[0].shape[1:]
    kind = pyarrow.list_(pyarrow.list_(pyarrow.float32(), width))
    table = lancedb.connect(tempfile.mkdtemp()).create_table(
        "images", schema=pyarrow.schema([("row", pyarrow.int64()), ("regions", kind)])
    )
    start = 0
    for some in in_blocks(vectors):
        numbers = pyarrow.array(some.astype(np.float32).ravel())
        lists = pyarrow.FixedSizeListArray.from_arrays(numbers, width)
        images = pyarrow.ListArray.from_arrays(pyarrow.array(np.arange(len(some) + 1, dtype=np.int32) * regions), lists)
        rows = pyarrow.array(np.arange(start, start + len(some)))
        table.add(pyarrow.table([rows, images.cast(kind)], names=["row", "regions"]))
        start += len(some)
    table.create_index(metric="cosine", vector_column_name="regions")

    def ask(words: Floats, limit: int) -> list[int]:
        found = (
            table.search(words.tolist())
            .limit(limit)
            .refine_factor(10)
            .nprobes(64)
            .select(["row", "_distance"])
            .to_list()
        )
        return [row["row"] for row in found]

    return ask


def in_blocks(vectors: Vectors) -> list[NDArray[np.float16]]:
    return [block for some in vectors for block in np.array_split(some, max(1, len(some) // BLOCK))]


def runs(vectors: Vectors, images: NDArray[np.int64]) -> list[tuple[NDArray[np.float16], int, int, int]]:
    """Segment, its first row, and from where to before where the images, ascending, lie in it."""
    starts = np.cumsum([0, *map(len, vectors)])
    edges = np.searchsorted(images, starts)
    return [(some, int(starts[k]), int(edges[k]), int(edges[k + 1])) for k, some in enumerate(vectors)]


def best(scores: NDArray[Any], limit: int) -> list[int]:
    rows: list[int] = np.argsort(-scores)[:limit].tolist()
    return rows
