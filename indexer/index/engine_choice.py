"""Which engine answers: found out by asking a GPU, if there is one, what the CPU can answer too."""

import numpy as np
import torch
from numpy.typing import NDArray

from indexer.index.device_engine import DeviceEngine
from indexer.index.engine import ON_CPU, ROUNDING, Engine
from indexer.index.memory_snapshot import CHANNEL, snapshot_of
from indexer.index.search import FULL_RECALL, search
from indexer.index.spared_engine import SparedEngine, in_a_line
from model.embeddings import SentenceEmbedding

SHARE = 0.8  # of the memory that is free when the engine is chosen, for vectors
WIDTH, WORDS = 64, 20  # of the test
IMAGES = 100  # in each of its segments


class WrongAnswer(Exception):
    """An engine answers otherwise than the CPU."""


def choose_engine(device: str, *, room: int | None = None) -> tuple[Engine, str]:
    """For a device as settings name it, and a line that says what was chosen and why.

    `room` is how many bytes of a GPU's memory vectors may take; a share of what is free by default.
    """
    if device == "cpu":
        return ON_CPU, "search: on the CPU, as it is set"
    if not torch.cuda.is_available():
        return ON_CPU, "search: on the CPU: no CUDA device"
    named = torch.device("cuda" if device == "auto" else device)
    try:
        name = torch.cuda.get_device_name(named)
        room = room if room is not None else int(SHARE * torch.cuda.mem_get_info(named)[0])
        engine = DeviceEngine(str(named), room=room)
        check_engine(engine)
    except Exception as error:  # noqa: BLE001  whatever it is, the CPU answers
        return ON_CPU, f"search: on the CPU: the GPU failed its test: {in_a_line(error)}"
    return SparedEngine(engine), f"search: on the GPU ({name}, room for {room / 1e9:.1f} GB of vectors)"


def check_engine(engine: Engine) -> None:
    """Raise WrongAnswer unless a search finds what it finds on the CPU; whatever else the engine raises passes on."""
    random = np.random.default_rng(0)
    heights = random.integers(1, 10, IMAGES).tolist(), [5] * IMAGES  # ragged, and alike
    snapshot = snapshot_of([[_rows(count, random) for count in some] for some in heights], width=WIDTH)
    words = torch.from_numpy(_rows(WORDS, random).astype(np.float32))
    sentence = SentenceEmbedding("a test", {CHANNEL: words}, (), torch.empty(0))
    expected, found = (
        search(snapshot, sentence, limit=10, recall=FULL_RECALL, engine=one).hits for one in (ON_CPU, engine)
    )
    for hit, right in zip(found, expected, strict=True):
        if hit.id != right.id or not abs(hit.score - right.score) < ROUNDING:
            raise WrongAnswer(f"{hit.id} with {hit.score} where the CPU finds {right.id} with {right.score}")


def _rows(count: int, random: np.random.Generator) -> NDArray[np.float16]:
    """Of unit length."""
    rows = random.standard_normal((count, WIDTH), np.float32)
    unit: NDArray[np.float16] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    return unit
