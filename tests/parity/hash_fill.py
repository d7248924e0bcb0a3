"""Weights made from a seed and a name, so that fixtures of published size need no weights in a file."""

import hashlib
import zlib

import numpy as np


def fill(seed: int, parameter) -> np.ndarray:
    """The values of one parameter of a recipe, checked against the digest that the recipe holds."""
    name, shape, kind = parameter["name"], parameter["shape"], parameter["kind"]
    key = (seed * 2**32 + zlib.crc32(name.encode())) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    r = ((2 * (z >> np.uint64(52)).astype(np.int32) - 4095) / 4096).astype(np.float32)
    values = {
        "norm_weight": lambda: 1 + r / 8,
        "bias": lambda: r / 16,
        "embedding": lambda: r,
        "matrix": lambda: r * np.float32(2.0 ** parameter["exponent"]),
    }[kind]().astype(np.float32)
    if hashlib.sha256(values.tobytes()).hexdigest() != parameter["sha256"]:
        raise ValueError(f"{name}: the recipe gives other values than it says")
    return values.reshape(shape)
