"""How quickly the best of many images are found, how many of them are missed, and the cost.

Usage: python -m benchmarks.engine [--images 10000] [--regions 36] [--dim 256] [--threads 1] [--queries 100]
                                   [--peers torch numpy faiss] [--data FOLDER] [--json]
Indexes the images of corpus.py into a temporary folder (or --data, kept for the next run), and asks all engines the
same sentences by turns. Truth is MrSw in float32. Times are ms of wall clock, and of the processor (of all
threads): on a machine that has other work only the second can be compared.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.corpus import Corpus, Floats
from indexer.commit import commit_segment
from indexer.index.manifest import EncoderIdentity
from indexer.index.records import Record, content_id
from indexer.index.search import search
from indexer.index.segment import BYTE_ROWS, REGION_CODES, channel_column
from indexer.index.snapshot import Snapshot, open_snapshot
from indexer.segment_writer import SegmentWriter
from model.embeddings import ImageEmbedding, SentenceEmbedding
from model.scoring import MaxSim, ScoreSpec, Term

TOP = 100
Engine = Callable[[Floats, int], list[int]]  # words, how many -> rows, best first


@dataclass(slots=True)
class Measured:
    recall_10: list[float] = field(default_factory=list)
    recall_100: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def told(self) -> dict[str, float]:
        p50, p95, p99 = np.percentile(self.wall, [50, 95, 99])
        return {
            "recall@10": round(float(np.mean(self.recall_10)), 4),
            "recall@100": round(float(np.mean(self.recall_100)), 4),
            "p50": round(float(p50), 2),
            "p95": round(float(p95), 2),
            "p99": round(float(p99), 2),
            "processor p50": round(float(np.median(self.processor)), 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--regions", type=int, default=36)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--peers", nargs="*", default=[], choices=["torch", "numpy", "faiss"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(options, options.data or Path(temporary))
    if options.json:
        print(json.dumps(found))
    else:
        for name, values in found.items():
            print(f"{name:<10} " + "  ".join(f"{key} {value}" for key, value in values.items()))


def measure(options: argparse.Namespace, data: Path) -> dict[str, dict[str, Any]]:
    corpus = Corpus(width=options.dim, regions=options.regions)
    built = {} if (data / "manifest.json").exists() else build(corpus, options.images, data)
    snapshot = open_snapshot(data)
    sentences = corpus.sentences(options.images, options.queries)
    vectors = snapshot.parts[0].segment.channels["regions"].rows.reshape(options.images, options.regions, -1)
    truth = exact_best(vectors, sentences)
    engines: dict[str, Engine] = {
        "teran": lambda words, limit: engine(snapshot, words, limit, recall=0.99),
        "teran 0.95": lambda words, limit: engine(snapshot, words, limit, recall=0.95),
        "teran exact": lambda words, limit: engine(snapshot, words, limit, recall=1.0),
    }
    engines |= {name: peer(name, vectors) for name in options.peers}
    found = ask_all(engines, sentences, truth)
    return {"build": built, "size": sizes(data, options.images), **{name: one.told() for name, one in found.items()}}


def build(corpus: Corpus, images: int, data: Path) -> dict[str, Any]:
    """Seconds of everything between vectors and a commit."""
    wall = processor = 0.0
    encoder = EncoderIdentity("0" * 64, "corpus", ScoreSpec((Term("regions", MaxSim()),)), {"regions": corpus.width})
    with SegmentWriter(data, channel_widths=encoder.channel_widths, shortlist_channel="regions") as writer:
        for block in corpus.blocks(images):
            began = time.perf_counter(), time.process_time()
            for vectors in torch.from_numpy(block):
                writer.add(record_of(len(writer)), ImageEmbedding({"regions": vectors}, torch.zeros(0, 4)), b"")
            wall, processor = wall + time.perf_counter() - began[0], processor + time.process_time() - began[1]
        began = time.perf_counter(), time.process_time()
        entry = writer.finish()
        assert entry is not None
        commit_segment(data, entry, encoder=encoder)
    wall, processor = wall + time.perf_counter() - began[0], processor + time.process_time() - began[1]
    return {"wall s": round(wall, 1), "processor s": round(processor, 1)}


def record_of(number: int) -> Record:
    name = f"{number}.jpg"
    return Record(content_id(name.encode()), name, "/", 1, 1, 1, "2026-01-01T00:00:00Z", None, {})


def engine(snapshot: Snapshot, words: Floats, limit: int, *, recall: float) -> list[int]:
    sentence = SentenceEmbedding("", {"regions": torch.from_numpy(words)}, (), torch.empty(0))
    return [hit.row for hit in search(snapshot, sentence, limit=limit, recall=recall).hits]


def exact_best(vectors: NDArray[np.float16], sentences: list[Floats]) -> list[list[int]]:
    """The best rows of every sentence, best first."""
    words = torch.from_numpy(np.concatenate(sentences)).T
    lengths = [len(sentence) for sentence in sentences]
    scores = []
    for some in np.array_split(vectors, max(1, len(vectors) // 500)):
        cosines = torch.from_numpy(some.astype(np.float32)).flatten(0, 1) @ words
        best = cosines.view(len(some), -1, len(words.T)).amax(dim=1)
        scores.append(torch.stack([part.sum(dim=1) for part in best.split(lengths, dim=1)], dim=1))
    best_rows: list[list[int]] = torch.cat(scores).topk(TOP, dim=0).indices.T.tolist()
    return best_rows


def peer(name: str, vectors: NDArray[np.float16]) -> Engine:
    if name == "faiss":
        return faiss_and_rerank(vectors)
    images = [some.astype(np.float32) for some in np.array_split(vectors, max(1, len(vectors) // 500))]

    def by_torch(words: Floats, limit: int) -> list[int]:
        wanted = torch.from_numpy(words).T
        best = [(torch.from_numpy(some) @ wanted).amax(dim=1).sum(dim=1) for some in images]
        rows: list[int] = torch.cat(best).topk(limit).indices.tolist()
        return rows

    def by_numpy(words: Floats, limit: int) -> list[int]:
        scores = np.concatenate([(some @ words.T).max(axis=1).sum(axis=1) for some in images])
        rows: list[int] = np.argsort(-scores)[:limit].tolist()
        return rows

    return by_torch if name == "torch" else by_numpy


def faiss_and_rerank(vectors: NDArray[np.float16]) -> Engine:
    """The nearest regions of every word by an inverted file, and all images that have one scored exactly."""
    count, regions, width = vectors.shape
    lists = min(4096, 2 ** int(np.log2(np.sqrt(count * regions))))
    index: Any = faiss.index_factory(width, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    rows = vectors.reshape(-1, width)
    index.train(rows[:: max(1, len(rows) // (40 * lists))].astype(np.float32))
    for start in range(0, len(rows), 65_536):
        index.add(rows[start : start + 65_536].astype(np.float32))
    index.nprobe = max(1, lists // 64)

    def ask(words: Floats, limit: int) -> list[int]:
        _, found = index.search(words, 2000)
        images = np.unique(found[found >= 0] // regions)
        scores = (vectors[images].astype(np.float32) @ words.T).max(axis=1).sum(axis=1)
        best: list[int] = images[np.argsort(-scores)[:limit]].tolist()
        return best

    return ask


def ask_all(engines: dict[str, Engine], sentences: list[Floats], truth: list[list[int]]) -> dict[str, Measured]:
    for ask in engines.values():
        ask(sentences[0], 10)  # what is compiled or read at the first question is not a matter of any other
    found = {name: Measured() for name in engines}
    for words, best in zip(sentences, truth, strict=True):
        for name, ask in engines.items():
            wall, processor = time.perf_counter(), time.process_time()
            rows = ask(words, 10)
            found[name].wall.append((time.perf_counter() - wall) * 1000)
            found[name].processor.append((time.process_time() - processor) * 1000)
            found[name].recall_10.append(len(set(rows) & set(best[:10])) / 10)
            found[name].recall_100.append(len(set(ask(words, TOP)) & set(best)) / TOP)
    return found


def sizes(data: Path, images: int) -> dict[str, float]:
    names = {"codes": REGION_CODES, "bytes": BYTE_ROWS, "vectors": channel_column("regions", 0).rows_file}
    return {
        f"{what}, bytes an image": round(sum(p.stat().st_size for p in data.glob(f"segments/*/{name}")) / images, 1)
        for what, name in names.items()
    }


if __name__ == "__main__":
    main()
