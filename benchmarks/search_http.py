"""How long a search takes over HTTP, and which part of it.

Usage: python benchmarks/search_http.py FOLDER... --captions captions.jsonl [--count 8000] [--queries 300] [--json]
Indexes the photographs into a temporary folder (or --data, kept for the next run), then asks one caption after another
through a real socket, with the query cache off. Medians and 95th percentiles in ms; recall@10 is against exact answers.
"""

import argparse
import http.client
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import structlog

from indexer.index.layout import collection_path
from indexer.ledger.scan import scan
from indexer.local_index import index_paths
from indexer.pictures import pool_for
from model.checkpoint import load_encoder
from model.evaluation.captions import read_captions
from service.app import create_app
from service.server import run_while
from service.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # not a line a search
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(options, options.data or Path(temporary))
    print(json.dumps(found) if options.json else "\n".join(f"{name:<28} {value}" for name, value in found.items()))


def measure(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    encoder = load_encoder(options.model)
    files = list(scan(options.folders))[: options.count]
    with pool_for(encoder) as pool:
        collection = collection_path(data, "default")
        index_paths(files, collection, encoder=encoder, pool=pool, prune=False, progress=lambda _: None)
    questions = [image.captions[0] for image in read_captions(options.captions)][: options.queries]
    app = create_app(Settings(data=data, cache_bytes=0), encoder)
    return run_while(app, lambda address: ask_all(address, questions, options.recall), host="127.0.0.1")


def ask_all(address: str, questions: list[str], recall: float) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    for question in questions[:20]:
        ask(connection, question, recall)
    wall, took, overlap = [], [], []
    for question in questions:
        began = time.perf_counter()
        answer = ask(connection, question, recall)
        wall.append((time.perf_counter() - began) * 1000)
        took.append(answer["took_ms"])
    for question in questions[:100]:
        best, exact = (ids(ask(connection, question, share)) for share in (recall, 1.0))
        overlap.append(len(best & exact) / len(exact))
    without = [total - one["encode"] for total, one in zip(wall, took, strict=True)]
    return {
        "queries": len(questions),
        "HTTP p50 / p95 ms": percentiles(wall),
        "without the encoder": percentiles(without),
        "encode": percentiles([one["encode"] for one in took]),
        "shortlist": percentiles([one["shortlist"] for one in took]),
        "rerank": percentiles([one["rerank"] for one in took]),
        "recall@10 of exact": round(float(np.mean(overlap)), 4),
    }


def ask(connection: http.client.HTTPConnection, question: str, recall: float) -> dict[str, Any]:
    body = json.dumps({"text": question, "limit": 10, "recall": recall})
    connection.request("POST", "/v1/search", body, {"Content-Type": "application/json"})
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return answer


def ids(answer: dict[str, Any]) -> set[str]:
    return {hit["id"] for hit in answer["results"]}


def percentiles(values: list[float]) -> str:
    p50, p95 = np.percentile(values, [50, 95])
    return f"{p50:.1f} / {p95:.1f}"


if __name__ == "__main__":
    main()
