"""What an image and a query cost in every system, at published sizes.

Usage: python benchmarks/published_sizes.py [--device cuda] [--threads 2]
Random weights, sentences of 13 words, medians. HAT looks at pictures of 224 pixels, the others take 36 region features
an image. Bytes are those of the float16 rows that a segment keeps; the exact score is that of 1,000 candidates on the
processor, some at a time as in a search, without reading them from the disk.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from model.embeddings import ImageEmbedding, Picture, Ragged
from model.encoder import Encoder
from model.hat.config import HatConfig
from model.hat.encoder import HatEncoder
from model.hat.network import Hat
from model.regions.region_features import RegionFeatures
from model.scoring import score
from model.selfalign.camera import Camera
from model.selfalign.camera_encoder import CameraEncoder
from model.selfalign.config import CameraConfig, VsrnConfig
from model.selfalign.sets_of_regions import whole_sentence
from model.selfalign.vsrn import Vsrn
from model.selfalign.vsrn_encoder import VsrnEncoder
from model.teran.config import TeranConfig
from model.teran.encoder import TeranEncoder
from model.teran.network import Teran

REGIONS, BATCH, PICTURES, WORDS = 36, 16, 4, 13
CANDIDATES, AT_ONCE = 1000, 100
EncodeImages = Callable[[], list[ImageEmbedding]]
EncodeSentence = Callable[[], object]


class Unused:
    """In place of a tokeniser: sentences come as ids."""

    size = 0


@dataclass(frozen=True, slots=True)
class System:
    encoder: Encoder
    encode_images: EncodeImages  # of one batch
    encode_sentence: EncodeSentence
    rows: int  # of a query in every channel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(f"{'system':<20} {'bytes':>10} {'image ms':>10} {'sentence ms':>12} {'score ms':>10}")
    systems = {"TERAN": teran, "HAT": hat, "SelfAlign on CAMERA": camera, "SelfAlign on VSRN": vsrn}
    for name, build in systems.items():
        print(f"{name:<20} {measured(build(torch.device(arguments.device)))}", flush=True)


def measured(system: System) -> str:
    images, spec = system.encode_images(), system.encoder.score_spec
    some = [images[row % len(images)].channels for row in range(AT_ONCE)]
    widths = system.encoder.channel_widths
    candidates = {term.channel: Ragged.of([own[term.channel] for own in some]) for term in spec.counting_terms}
    query = whole_sentence("", {channel: torch.rand(system.rows, width) for channel, width in widths.items()})

    def score_all() -> None:
        for _ in range(CANDIDATES // AT_ONCE):
            score(spec, candidates, query)

    stored = sum(2 * vectors.numel() for vectors in images[0].channels.values())
    image_ms = timed(system.encode_images) / len(images)
    return f"{stored:>10,} {image_ms:>10.1f} {timed(system.encode_sentence):>12.1f} {timed(score_all):>10.1f}"


def regions() -> RegionFeatures:
    counts, sizes = torch.full((BATCH,), REGIONS), torch.full((BATCH, 2), 500.0)
    return RegionFeatures(torch.rand(BATCH, REGIONS, 2048), boxes(), counts, sizes)


def boxes() -> torch.Tensor:
    corners = torch.rand(2, BATCH, REGIONS, 2).sort(dim=0).values
    return torch.cat([*corners], dim=2)


def teran(device: torch.device) -> System:
    network, found = Teran(TeranConfig()).to(device), regions()
    ids, lengths = torch.randint(1000, 2000, (1, WORDS + 3), device=device), torch.tensor([WORDS + 3], device=device)
    encoder = TeranEncoder(network, None, None, name="", fingerprint="")
    return System(encoder, lambda: encoder.encode_features(found), lambda: network.encode_tokens(ids, lengths), WORDS)


def hat(device: torch.device) -> System:
    network = Hat(HatConfig()).to(device)
    side = network.config.framing.side
    pictures = [Picture(np.zeros((side, side, 3), np.uint8), side, side)] * PICTURES
    ids = torch.randint(1000, 2000, (1, WORDS + 2), device=device)
    real = torch.ones_like(ids, dtype=torch.bool)
    encoder = HatEncoder([network], Unused(), name="", fingerprint="")
    return System(encoder, lambda: encoder.encode_images(pictures), lambda: network.encode_tokens(ids, real), WORDS + 2)


def camera(device: torch.device) -> System:
    network, found = Camera(CameraConfig(padding_counts=True)).to(device), regions()
    ids, lengths = torch.randint(1000, 2000, (1, 32), device=device), torch.tensor([WORDS + 2], device=device)
    encoder = CameraEncoder(network, None, None, name="", fingerprint="")
    return System(encoder, lambda: encoder.encode_features(found), lambda: network.sentence_side(ids, lengths), 1)


def vsrn(device: torch.device) -> System:
    network, found = Vsrn(VsrnConfig()).to(device), regions()
    ids, lengths = torch.randint(4, 8000, (1, WORDS + 2), device=device), torch.tensor([WORDS + 2], device=device)
    encoder = VsrnEncoder(network, None, None, name="", fingerprint="")
    return System(encoder, lambda: encoder.encode_features(found), lambda: network.sentence_side(ids, lengths), 1)


def timed(run: Callable[[], object], *, times: int = 9) -> float:
    """Median milliseconds."""
    taken = []
    with torch.inference_mode():
        for _ in range(times):
            began = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
