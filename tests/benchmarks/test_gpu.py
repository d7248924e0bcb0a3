"""The benchmark of the GPU runs anywhere, and says so where it measures none."""

import json

import pytest
import torch

from benchmarks.gpu import main

SMALL = ["--images", "20", "--regions", "3", "--dim", "8", "--candidates", "5"]


def test_what_is_measured_stands_beside_the_ceilings(capsys):
    main(["--device", "cpu", "--json", *SMALL])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["device", "brute force, batch 1", "brute force, batch 64", "exact rerank of 5"]
    assert found["device"]["name"] == "the processor, not a GPU" and found["device"]["copy GB/s"] > 0
    assert all(found[name]["ms"] > 0 and found[name]["of copy"] >= 0 for name in list(found)[1:])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so(capsys):
    main(SMALL)
    assert capsys.readouterr().out.startswith("no CUDA device is here")
