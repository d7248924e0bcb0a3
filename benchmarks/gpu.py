"""How near a search on a GPU comes to what the GPU can do: bytes and operations a second, beside the ceilings.

Usage: python -m benchmarks.gpu [--device cuda] [--images 50000] [--regions 36] [--dim 1024] [--words 12]
                                [--candidates 1000] [--json]
The ceilings, a copy of memory and a product of large matrices, are measured in the same run. Times are medians of wall
clock as a search has them: from words in the memory of the processor to candidates or scores there. Bytes are those of
the vectors that must be read, operations those of the words that were asked, nothing that fills up. With --device cpu
it runs anywhere, and says nothing about a GPU.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from indexer.index.device_engine import DeviceEngine
from indexer.index.memory_snapshot import CHANNEL, Image, snapshot_of
from indexer.index.snapshot import Snapshot
from model.embeddings import SentenceEmbedding

BATCHES = (1, 64)
DRAWN = 1000  # images; the others are these, with their numbers in another order
TURNS, AT_MOST_S = 30, 10.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--regions", type=int, default=36)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--words", type=int, default=12)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.device != "cpu" and not torch.cuda.is_available():
        print("no CUDA device is here, so nothing was measured; --device cpu runs the same code on the processor")
        return
    found = measure(options)
    if options.json:
        print(json.dumps(found))
    else:
        for name, values in found.items():
            print(f"{name:<24} " + "  ".join(f"{key} {value}" for key, value in values.items()))


def measure(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor, not a GPU"
    copied, multiplied = copy_ceiling(device), matmul_ceiling(device)
    snapshot = snapshot_of([images_of(options)], width=options.dim)
    engine = DeviceEngine(options.device, room=2**62)
    sentences = [sentence_of(number, options) for number in range(max(BATCHES))]

    def told(seconds: float, images: int, batch: int) -> dict[str, object]:
        size = images * options.regions * options.dim * 2
        operations = size * options.words * batch
        return {
            "ms": round(seconds * 1000, 3),
            "GB/s": round(size / seconds / 1e9, 1),
            "of copy": round(size / seconds / copied, 3),
            "TFLOP/s": round(operations / seconds / 1e12, 2),
            "of matmul": round(operations / seconds / multiplied, 3),
        }

    found: dict[str, dict[str, object]] = {
        "device": {"name": name, "copy GB/s": round(copied / 1e9, 1), "matmul TFLOP/s": round(multiplied / 1e12, 2)}
    }
    for batch in BATCHES:
        seconds = median_seconds(partial(scan, engine, snapshot, sentences[:batch]), device)
        found[f"brute force, batch {batch}"] = told(seconds, options.images, batch)
    some = min(options.candidates, options.images)
    rows = torch.from_numpy(np.sort(np.random.default_rng(0).choice(options.images, some, replace=False)))
    seconds = median_seconds(
        lambda: engine.exact_scores(snapshot, rows, sentences[0], spec=snapshot.score_spec), device
    )
    found[f"exact rerank of {some}"] = told(seconds, some, 1)
    return found


def scan(engine: DeviceEngine, snapshot: Snapshot, sentences: Sequence[SentenceEmbedding]) -> None:
    words = [sentence.channels[CHANNEL].numpy() for sentence in sentences]
    engine.find_candidates(snapshot, words, recall=1.0, limit=10, least=0)


def images_of(options: argparse.Namespace) -> list[Image]:
    """Unit vectors, [R, D] of every image."""
    drawn = np.random.default_rng(0).standard_normal((min(DRAWN, options.images), options.regions, options.dim))
    drawn = (drawn / np.linalg.norm(drawn, axis=2, keepdims=True)).astype(np.float16)
    return [image for turn in range(-(-options.images // DRAWN)) for image in np.roll(drawn, turn, axis=2)][
        : options.images
    ]


def sentence_of(number: int, options: argparse.Namespace) -> SentenceEmbedding:
    words: NDArray[np.float64] = np.random.default_rng([1, number]).standard_normal((options.words, options.dim))
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    return SentenceEmbedding("", {CHANNEL: torch.from_numpy(words.astype(np.float32))}, (), torch.empty(0))


def copy_ceiling(device: torch.device) -> float:
    """Bytes a second, read and written."""
    size = 2**31 if device.type == "cuda" else 2**24
    source, target = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(2))
    return 2 * size / median_seconds(lambda: target.copy_(source), device)


def matmul_ceiling(device: torch.device) -> float:
    """Operations a second, in the type that is quickest there."""
    size, dtype = (8192, torch.float16) if device.type == "cuda" else (512, torch.float32)
    one, two = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / median_seconds(lambda: one @ two, device)


def median_seconds(work: Callable[[], object], device: torch.device) -> float:
    """Of a few turns after two that warm up; each waits until the device has done its work."""
    times: list[float] = []
    began = time.perf_counter()
    for turn in range(TURNS + 2):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if turn >= 2:
            times.append(time.perf_counter() - start)
        if times and time.perf_counter() - began > AT_MOST_S:
            break
    return statistics.median(times)


if __name__ == "__main__":
    main()
