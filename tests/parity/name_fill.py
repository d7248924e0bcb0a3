"""Weights made from a seed and their names alone, checked against a few values that the fixture holds."""

import json
import zlib
from pathlib import Path

import numpy as np


def filled_weights(folder: Path) -> dict[str, np.ndarray]:
    """All tensors of `state_dict_keys.json`."""
    check = json.loads((folder / "fill_check.json").read_text())
    weights = {
        name: fill(check["seed"], name, shape) if kind.startswith("float") else np.zeros(shape, dtype=kind)
        for name, (shape, kind) in json.loads((folder / "state_dict_keys.json").read_text()).items()
    }
    for name, wanted in check["tensors"].items():
        if not np.array_equal(weights[name].reshape(-1)[:4], np.array(wanted["first4"], dtype=np.float32)):
            raise ValueError(f"{name}: the recipe gives other values than the fixture holds")
    return weights


def fill(seed: int, name: str, shape: list[int]) -> np.ndarray:
    start = np.uint64(((zlib.crc32(name.encode()) << 32) + seed) % 2**64)
    with np.errstate(over="ignore"):
        z = start + np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    if name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif name.endswith("running_mean"):
        u = 0.2 * u
    elif len(shape) == 1:
        u = 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
    else:
        u = u * np.sqrt(3 / np.prod(shape[1:])) * (0.5 if "Rs_GCN" in name else 1)
    return u.astype(np.float32).reshape(shape)
