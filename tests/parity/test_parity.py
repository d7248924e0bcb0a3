"""The reference outputs of the published implementations, where they are at hand; and a checker that can fail."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CHECK = Path(__file__).with_name("check.py")


ROOT = CHECK.parents[2]


def check(folder: Path, system: str = "teran") -> subprocess.CompletedProcess[str]:
    """Of this checkout, whichever one is installed."""
    command = [sys.executable, str(CHECK), system, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_teran_is_the_published_one_to_the_last_digit(shared):
    done = check(shared / "parity" / "teran")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " 0 missed" in done.stdout


@pytest.mark.parametrize("part", ["tiny_a", "tiny_ckpt", "metrics", "text", "preprocess"])
def test_hat_is_the_published_one_to_the_last_digit(shared, part):
    done = check(shared / "parity" / "hat" / part, "hat")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " 0 missed" in done.stdout


def test_selfalign_is_the_published_one_to_the_last_digit(shared, tmp_path):
    for folder in (shared / "parity" / "selfalign").iterdir():
        if folder.is_dir() and not folder.name.endswith("_full"):  # those of published size take a minute
            (tmp_path / folder.name).symlink_to(folder)
    done = check(tmp_path, "selfalign")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " 0 missed" in done.stdout


def test_a_part_without_its_network_is_told_and_the_rest_compared(shared, tmp_path):
    tiny = Path(shutil.copytree(shared / "parity" / "teran" / "tiny", tmp_path / "tiny"))
    shutil.rmtree(tiny / "concat_separate")
    cases = json.loads((tiny / "tokenizer_cases.json").read_text())
    (tiny / "tokenizer_cases.json").chmod(0o644)
    (tiny / "tokenizer_cases.json").write_text(json.dumps([*cases, {"text": "a [/b] dog", "ids": []}]))
    done = check(tmp_path)
    assert "order_measure: not compared" in done.stderr and "short_sentences: not compared" in done.stderr
    assert done.returncode == 1 and "a [/b] dog" in done.stdout and " 1 missed" in done.stdout


def test_weights_of_neighbouring_fixtures_are_left_alone(shared, tmp_path):
    other = Path(shutil.copytree(shared / "parity" / "teran" / "tiny", tmp_path / "a" / "tiny"))
    weights = dict(np.load(other / "weights_common.npz"))
    (other / "weights_common.npz").chmod(0o644)
    np.savez(other / "weights_common.npz", **{name: value + 1 for name, value in weights.items()})
    shutil.copytree(shared / "parity" / "teran" / "dataset_f30k", tmp_path / "b" / "dataset_f30k")
    done = check(tmp_path / "b")
    assert done.returncode == 0 and " 0 missed" in done.stdout


def test_a_wrong_score_of_hat_is_a_miss(shared, tmp_path):
    folder = Path(shutil.copytree(shared / "parity" / "hat" / "tiny_ckpt", tmp_path / "tiny_ckpt"))
    outputs = dict(np.load(folder / "outputs.npz"))
    outputs["sim_t2i_level2"][1, 2] += 1e-4
    np.savez(folder / "outputs.npz", **outputs)
    done = check(tmp_path, "hat")
    assert done.returncode == 1
    assert " 1 missed" in done.stdout


def test_a_wrong_number_of_selfalign_is_a_miss(shared, tmp_path):
    folder = tmp_path / "vsrn"
    shutil.copytree(shared / "parity" / "selfalign" / "vsrn_f30k_tiny", folder)
    (folder / "scalars.json").chmod(0o644)
    scalars = json.loads((folder / "scalars.json").read_text())
    scalars["eval_mode_losses"]["concept_loss"] += 2e-4
    (folder / "scalars.json").write_text(json.dumps(scalars))
    done = check(tmp_path, "selfalign")
    assert done.returncode == 1
    assert " 1 missed" in done.stdout


def test_a_part_of_the_fixtures_is_enough(shared, tmp_path):
    shutil.copytree(shared / "parity" / "teran" / "eval", tmp_path / "eval")
    assert check(tmp_path).returncode == 0


def test_a_wrong_number_is_a_miss(shared, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(shared / "parity" / "teran" / "tiny", folder)
    outputs = dict(np.load(folder / "concat_shared" / "outputs.npz"))
    outputs["sim_pairwise/symm"] += 2e-4
    np.savez(folder / "concat_shared" / "outputs.npz", **outputs)
    done = check(tmp_path)
    assert done.returncode == 1
    assert " 1 missed" in done.stdout


@pytest.mark.parametrize("arguments", [["teran", "nowhere"], ["hat", "nowhere"], ["unknown", "."], []])
def test_nothing_to_compare_is_no_success(arguments):
    done = subprocess.run([sys.executable, str(CHECK), *arguments], capture_output=True, text=True)
    assert done.returncode == 2
