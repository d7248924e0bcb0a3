"""How many photographs a second go into the index, whole and stage by stage.

Usage: python benchmarks/indexing.py FOLDER [--count 2000] [--threads 2] [--model bundled] [--json]
Each stage is timed alone over the same photographs, then the whole pipeline, which overlaps them.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from indexer.decode import decode, read_photograph
from indexer.ledger.scan import scan
from indexer.local_index import index_paths
from indexer.pictures import picture_of, pool_for
from indexer.pipeline import Fate
from model.batches import in_batches
from model.checkpoint import load_encoder

BATCH = 32
Result = TypeVar("Result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = measure(sorted(scan([options.folder]))[: options.count], options.model)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:<40} {value:10.1f}")


def measure(files: list[Path], model: str) -> dict[str, float]:
    encoder = load_encoder(model)
    some = files[:256]
    data = [read_photograph(file) for file in some]
    decode_s, decoded = timed(lambda: [decode(one, framing=encoder.framing) for one in data])
    batches = list(in_batches([picture_of(one) for one in decoded], BATCH))
    encoder.encode_images(batches[0])
    encode_s, _ = timed(lambda: [encoder.encode_images(batch) for batch in batches])
    with pool_for(encoder) as pool:
        list(pool.decode((file, file) for file in some[:BATCH]))
        pool_s, _ = timed(lambda: list(pool.decode((file, file) for file in some)))
        with tempfile.TemporaryDirectory() as folder:
            collection = Path(folder) / "collections" / "default"
            whole_s, summary = timed(
                lambda: index_paths(files, collection, encoder=encoder, pool=pool, prune=False, progress=lambda _: None)
            )
            sizes = {path: path.stat().st_size for path in collection.rglob("*") if path.is_file()}
    indexed = summary.counts[Fate.INDEXED]
    thumbnails = sum(size for path, size in sizes.items() if path.name.startswith("thumbnails"))
    regions = sum(size for path, size in sizes.items() if path.suffix == ".faiss")
    return {
        "images": indexed,
        "decode, one process, images/s": len(some) / decode_s,
        "decode, pool, images/s": len(some) / pool_s,
        "encode (windows + TERAN), images/s": len(some) / encode_s,
        "whole pipeline, images/s": len(files) / whole_s,
        "index, bytes an image": (sum(sizes.values()) - thumbnails) / indexed,
        "of it FAISS, bytes an image": regions / indexed,
        "thumbnails, bytes an image": thumbnails / indexed,
    }


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
