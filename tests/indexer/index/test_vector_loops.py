"""Bytes are multiplied exactly on processors of every kind."""

import os
import platform
import subprocess
import sys

import pytest

AVX2 = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+avx,+avx2,+fma,+f16c,+cmov,+64bit,+cx8,+fxsr,+mmx"
PRODUCTS = """
import numpy as np
from indexer.index.table_kernels import entry_products
random = np.random.default_rng(0)
rows = random.integers(0, 256, (12, 8), dtype=np.uint8)
words = random.integers(-127, 128, (2, 2, 16, 4)).astype(np.int8)
rows[0], words[0, :, 0] = 255, 127
found = np.empty((2, 12, 16), np.int32)
entry_products(rows, words, 0, 12, found)
expected = rows.astype(int) @ words.transpose(0, 1, 3, 2).reshape(2, 8, 16).astype(int)
np.testing.assert_array_equal(found, expected)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are kinds of x86-64")
@pytest.mark.parametrize(("name", "features"), [("haswell", AVX2), ("x86-64", "+sse,+sse2,+cmov,+64bit,+cx8,+fxsr")])
def test_without_the_latest_instructions_products_are_the_same(name: str, features: str, tmp_path) -> None:
    kind = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PRODUCTS], env=os.environ | kind, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
