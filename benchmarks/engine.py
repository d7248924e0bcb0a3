"""How quickly the best of many images are found, how many of them are missed, and the cost.

Usage: python -m benchmarks.engine [--images 10000] [--regions 36] [--dim 256] [--threads 1] [--queries 100]
                                   [--peers torch numpy faiss maxsim-cpu fast-plaid lancedb] [--data FOLDER] [--json]
       python -m benchmarks.engine --embeddings COLLECTION --captions captions.jsonl [--split val]
Indexes the images of corpus.py into a temporary folder (or --data, kept for the next run), or takes a collection that
`teran index` made, whose questions are captions; and asks all engines the same sentences by turns, those that look at
every image fewer of them. Truth is MrSw in float32. Times are ms of wall clock, and of the processor (of all threads):
on a machine that has other work only the second can be compared.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch

from benchmarks.corpus import Corpus, Floats
from benchmarks.peers import PACKAGES, Engine, Vectors, in_blocks, peer
from indexer.commit import commit_segment
from indexer.index.manifest import EncoderIdentity
from indexer.index.records import Record, content_id
from indexer.index.search import search
from indexer.index.segment import BYTE_ROWS, REGION_CODES, channel_column
from indexer.index.snapshot import Snapshot, open_snapshot
from indexer.merge import LARGEST
from indexer.segment_writer import SegmentWriter
from model.checkpoint import load_encoder
from model.embeddings import ImageEmbedding, SentenceEmbedding
from model.evaluation.captions import read_captions
from model.scoring import MaxSim, ScoreSpec, Term

TOP = 100
RECALL = 0.99  # that is asked for
TUNING = 10  # sentences by which peers are tuned
ROUND = 10  # that one engine answers before it is the next one's turn: nobody's cache is emptied for every sentence


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
    parser.add_argument("--peers", nargs="*", default=[], choices=["torch", "numpy", "faiss", *PACKAGES])
    parser.add_argument("--peer-queries", type=int, default=20)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--split")
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
            print(f"{name:<12} " + "  ".join(f"{key} {value}" for key, value in values.items()))


def measure(options: argparse.Namespace, data: Path) -> dict[str, dict[str, Any]]:
    if options.embeddings is not None:
        built: dict[str, Any] = {}
        snapshot = open_snapshot(options.embeddings)
        sentences = captions(options.captions, options.split, options.queries + TUNING)
    else:
        corpus = Corpus(width=options.dim, regions=options.regions)
        built = {} if (data / "manifest.json").exists() else build(corpus, options.images, data)
        snapshot = open_snapshot(data)
        sentences = corpus.sentences(options.images, options.queries + TUNING)
    resident = memory()
    vectors = vectors_of(snapshot)
    truth = exact_best(vectors, sentences)
    engines: dict[str, Engine] = {
        "teran": lambda words, limit: engine(snapshot, words, limit, recall=RECALL),
        "teran 0.95": lambda words, limit: engine(snapshot, words, limit, recall=0.95),
        "teran exact": lambda words, limit: engine(snapshot, words, limit, recall=1.0),
    }
    found: dict[str, dict[str, Any]] = {"build": built, "size": sizes(options.embeddings or data, snapshot)}
    found["size"]["resident MB"] = resident
    tuning = Questions(sentences[-TUNING:], truth[-TUNING:])
    peers = {name: peer(name, vectors, recall=tuning.recall_of, wanted=RECALL) for name in options.peers}
    found |= {name: {"not installed": PACKAGES[name]} for name, ask in peers.items() if ask is None}
    engines |= {name: ask for name, ask in peers.items() if ask is not None}
    questions = Questions(sentences[:-TUNING], truth[:-TUNING])
    measured = ask_all(engines, questions, dict.fromkeys([*peers, "teran exact"], options.peer_queries))
    return found | {name: one.told() for name, one in measured.items()}


def captions(path: Path, split: str | None, count: int) -> list[Floats]:
    """The words of the first caption of so many images, as the bundled model has them."""
    texts = [image.captions[0] for image in read_captions(path, split=split)][:count]
    sentences = load_encoder("bundled").encode_sentences(texts)
    return [sentence.channels["regions"].numpy().astype(np.float32) for sentence in sentences]


def build(corpus: Corpus, images: int, data: Path) -> dict[str, Any]:
    """Seconds of everything between vectors and the last commit."""
    wall = processor = 0.0
    encoder = EncoderIdentity("0" * 64, "corpus", ScoreSpec((Term("regions", MaxSim()),)), {"regions": corpus.width})
    for start in range(0, images, LARGEST):
        with SegmentWriter(data, channel_widths=encoder.channel_widths, shortlist_channel="regions") as writer:
            for block in corpus.blocks(min(images, start + LARGEST), first=start):
                began = time.perf_counter(), time.process_time()
                for vectors in torch.from_numpy(block):
                    record = record_of(start + len(writer))
                    writer.add(record, ImageEmbedding({"regions": vectors}, torch.zeros(0, 4)), b"")
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


def vectors_of(snapshot: Snapshot) -> Vectors:
    """[n, R, D] of every segment. For images of as many regions each, and none of them deleted."""
    columns = [part.segment.channels["regions"] for part in snapshot.parts]
    return [column.rows.reshape(len(column.offsets) - 1, column.height, -1) for column in columns]


def exact_best(vectors: Vectors, sentences: list[Floats]) -> list[list[int]]:
    """The best rows of every sentence, best first."""
    words = torch.from_numpy(np.concatenate(sentences)).T
    lengths = [len(sentence) for sentence in sentences]
    scores = []
    for some in in_blocks(vectors):
        cosines = torch.from_numpy(some.astype(np.float32)).flatten(0, 1) @ words
        best = cosines.view(len(some), -1, len(words.T)).amax(dim=1)
        scores.append(torch.stack([part.sum(dim=1) for part in best.split(lengths, dim=1)], dim=1))
    best_rows: list[list[int]] = torch.cat(scores).topk(TOP, dim=0).indices.T.tolist()
    return best_rows


@dataclass(frozen=True, slots=True)
class Questions:
    sentences: list[Floats]
    truth: list[list[int]]

    def recall_of(self, ask: Engine) -> float:
        """Of the exact best ten."""
        found = [
            len(set(ask(words, 10)) & set(best[:10])) for words, best in zip(self.sentences, self.truth, strict=True)
        ]
        return sum(found) / 10 / len(self.truth)


def ask_all(engines: dict[str, Engine], questions: Questions, at_most: dict[str, int]) -> dict[str, Measured]:
    for ask in engines.values():
        ask(questions.sentences[0], 10)  # what is compiled or read at the first question is no matter of any other
    found = {name: Measured() for name in engines}
    count = len(questions.truth)
    for start in range(0, count, ROUND):
        for name, ask in engines.items():
            for number in range(start, min(start + ROUND, at_most.get(name, count), count)):
                measure_one(ask, questions.sentences[number], questions.truth[number], found[name])
    return found


def measure_one(ask: Engine, words: Floats, best: list[int], found: Measured) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    rows = ask(words, 10)
    found.wall.append((time.perf_counter() - wall) * 1000)
    found.processor.append((time.process_time() - processor) * 1000)
    found.recall_10.append(len(set(rows) & set(best[:10])) / 10)
    found.recall_100.append(len(set(ask(words, TOP)) & set(best)) / TOP)


def memory() -> int | None:
    """MB of this process without what is mapped from files, where Linux tells."""
    told = Path("/proc/self/smaps_rollup")
    lines = told.read_text().splitlines() if told.exists() else []
    return next((int(line.split()[1]) // 1000 for line in lines if line.startswith("Anonymous:")), None)


def sizes(data: Path, snapshot: Snapshot) -> dict[str, float]:
    """Bytes an image."""
    names = {"codes": REGION_CODES, "bytes": BYTE_ROWS, "vectors": channel_column("regions", 0).rows_file}
    sketches = [part.segment.codes.sketches for part in snapshot.parts if part.segment.codes is not None]
    by_part = {
        what: sum(path.stat().st_size for path in data.glob(f"segments/*/{name}")) for what, name in names.items()
    }
    by_part["sketches in memory"] = sum(one.nbytes for one in sketches)
    return {f"{what}, bytes an image": round(size / snapshot.live_count, 1) for what, size in by_part.items()}


if __name__ == "__main__":
    main()
