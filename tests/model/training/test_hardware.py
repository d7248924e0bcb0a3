"""Several processes train one model."""

import subprocess
import sys
from pathlib import Path

from model.checkpoint import load_encoder

ROOT = Path(__file__).resolve().parents[3]
TASK = """
import sys, threading
from pathlib import Path
import torch
from torch import nn
from model.training.hardware import find_hardware
from model.training.loop import Validation, run_stage
from model.training.optimization import Optimization, ParameterGroup

torch.manual_seed(0)
class Mean:
    module, batches, metric_names = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), 8, ()
    def parameter_groups(self):
        return [ParameterGroup(list(part.parameters()), lr) for part, lr in zip(self.module, (0.0, 1e-2))]
    def batch(self, epoch, number): return torch.full((1, 1), float(number))
    def loss(self, module, batch): return (module(batch) - batch).square().mean()
    def validate(self): return Validation(0.0, {})
    def publish(self, folder): pass

task, hardware, told = Mean(), find_hardware("cpu"), []
run_stage(task, Optimization(epochs=1, lr=1e-2), run=Path(sys.argv[1]), identity="", hardware=hardware,
          watch=lambda progress: told.append([part.weight.item() for part in task.module]), stopping=threading.Event())
print("RESULT", hardware.rank, hardware.processes, *(f"{frozen} {learned}" for frozen, learned in told))
"""
RECIPE = """
name = "small"
[data]
captions = "captions.jsonl"
images = "pictures"
held_out = 0.3
[model]
start = "{start}"
[[stages]]
kind = "align"
name = "sides"
images = 2
captions = 1
optimization = {{ epochs = 1, lr = 1e-3 }}
"""
PROGRAM = """
import os, sys, threading
from pathlib import Path
from model.training.recipe import read_recipe
from model.training.run import Places, train_recipe

folder, rank, stopping = Path(sys.argv[1]), os.environ["RANK"], threading.Event()
described, places = read_recipe(folder / "recipe.toml"), Places(folder, folder / "work", folder / "checkpoint")

def stop_one(progress):
    if rank == "1":
        stopping.set()

first = train_recipe(described, places, device="cpu", watch=stop_one, stopping=stopping)
steps = []
second = train_recipe(described, places, device="cpu", watch=lambda progress: steps.append(progress.step),
                      stopping=threading.Event())
print("RESULT", rank, first, second, *steps)
"""


def in_two_processes(program: str, folder: Path) -> list[list[str]]:
    """What each has told, by rank."""
    (folder / "program.py").write_text(program)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]  # on a free port
    with subprocess.Popen(
        [*launch, str(folder / "program.py"), str(folder)],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join([str(ROOT), *sys.path]), "PATH": "/usr/bin", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as launched:
        try:
            told, complaints = launched.communicate(timeout=300)
        finally:
            launched.terminate()  # it ends both; if it were killed, they would live on
    assert launched.returncode == 0, complaints
    results = sorted(line.split() for line in told.splitlines() if line.startswith("RESULT"))
    assert [rank for _, rank, *_ in results] == ["0", "1"], complaints
    return [rest for _, _, *rest in results]


def test_two_processes_take_the_same_steps_on_batches_of_their_own_and_leave_alone_what_has_no_rate(tmp_path):
    one, other = in_two_processes(TASK, tmp_path)
    assert one == other and one[0] == "2"
    frozen, learned = one[1::2], one[2::2]
    assert len(frozen) == 4 and len(set(frozen)) == 1 and len(set(learned)) == 4
    assert (tmp_path / "log.csv").read_text().count("\n") == 3  # head, before, after


def test_a_recipe_whose_one_process_is_told_to_stop_stops_in_both_and_goes_on(captioned, tiny_checkpoint):
    (captioned / "recipe.toml").write_text(RECIPE.format(start=tiny_checkpoint))
    told = in_two_processes(PROGRAM, captioned)
    assert told == [["False", "True", "2", "3"]] * 2
    assert load_encoder(str(captioned / "checkpoint")).encode_sentences(["a dog"])
