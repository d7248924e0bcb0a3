"""What an image and a query cost in every system that takes region features, at published sizes.

Usage: python benchmarks/published_sizes.py [--device cuda] [--threads 2]
Random weights, 36 regions an image, sentences of 13 words; medians. Bytes are those of the float16 rows that a segment
keeps; the exact score is that of 1,000 candidates on the processor, without reading them from the disk.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from model.embeddings import Ragged
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

REGIONS, BATCH, WORDS, CANDIDATES = 36, 16, 13, 1000
EncodeSentence = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(f"{'system':<20} {'bytes':>10} {'image ms':>10} {'sentence ms':>12} {'score ms':>10}")
    for name, build, rows in (
        ("TERAN", teran, WORDS),
        ("SelfAlign on CAMERA", camera, 1),
        ("SelfAlign on VSRN", vsrn, 1),
    ):
        encoder, encode_sentence = build(torch.device(arguments.device))
        print(f"{name:<20} {measured(encoder, encode_sentence, rows=rows)}", flush=True)


def measured(encoder: TeranEncoder | CameraEncoder | VsrnEncoder, encode_sentence: EncodeSentence, *, rows: int) -> str:
    """`rows` of a query in every channel."""
    counts, sizes = torch.full((BATCH,), REGIONS), torch.full((BATCH, 2), 500.0)
    regions = RegionFeatures(torch.rand(BATCH, REGIONS, 2048), boxes(), counts, sizes)
    images, widths = encoder.encode_features(regions), encoder.channel_widths
    candidates = {
        channel: Ragged.of([images[row % BATCH].channels[channel] for row in range(CANDIDATES)]) for channel in widths
    }
    query = whole_sentence("", {channel: torch.rand(rows, width) for channel, width in widths.items()})
    stored = sum(2 * vectors.numel() for vectors in images[0].channels.values())
    image_ms = timed(lambda: encoder.encode_features(regions)) / BATCH
    score_ms = timed(lambda: score(encoder.score_spec, candidates, query))
    return f"{stored:>10,} {image_ms:>10.1f} {timed(encode_sentence):>12.1f} {score_ms:>10.1f}"


def boxes() -> torch.Tensor:
    corners = torch.rand(2, BATCH, REGIONS, 2).sort(dim=0).values
    return torch.cat([*corners], dim=2)


def teran(device: torch.device) -> tuple[TeranEncoder, EncodeSentence]:
    network = Teran(TeranConfig()).to(device)
    ids, lengths = torch.randint(1000, 2000, (1, WORDS + 3), device=device), torch.tensor([WORDS + 3], device=device)
    return TeranEncoder(network, None, None, name="", fingerprint=""), lambda: network.encode_tokens(ids, lengths)


def camera(device: torch.device) -> tuple[CameraEncoder, EncodeSentence]:
    network = Camera(CameraConfig(padding_counts=True)).to(device)
    ids, lengths = torch.randint(1000, 2000, (1, 32), device=device), torch.tensor([WORDS + 2], device=device)
    return CameraEncoder(network, None, None, name="", fingerprint=""), lambda: network.sentence_side(ids, lengths)


def vsrn(device: torch.device) -> tuple[VsrnEncoder, EncodeSentence]:
    network = Vsrn(VsrnConfig(vocabulary=8481)).to(device)
    ids, lengths = torch.randint(4, 8000, (1, WORDS + 2), device=device), torch.tensor([WORDS + 2], device=device)
    return VsrnEncoder(network, None, None, name="", fingerprint=""), lambda: network.sentence_side(ids, lengths)


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
