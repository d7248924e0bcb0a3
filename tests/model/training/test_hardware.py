"""Several processes train one model."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TASK = """
import os, sys, threading
from pathlib import Path
import torch
from torch import nn
from model.training.hardware import find_hardware
from model.training.loop import Validation, run_stage
from model.training.optimization import Optimization, ParameterGroup

class Mean:
    module, batches, metric_names = nn.Linear(1, 1), 8, ()
    def parameter_groups(self): return [ParameterGroup(list(self.module.parameters()), 1e-2)]
    def batch(self, epoch, number): return torch.full((1, 1), float(number))
    def loss(self, module, batch): return (module(batch) - batch).square().mean()
    def validate(self): return Validation(0.0, {})
    def publish(self, folder): pass

torch.manual_seed(0)
task, hardware = Mean(), find_hardware("cpu")
task.module = nn.Linear(1, 1)
run_stage(task, Optimization(epochs=1, lr=1e-2), run=Path(sys.argv[1]), identity="", hardware=hardware,
          watch=lambda progress: None, stopping=threading.Event())
print("RESULT", hardware.rank, hardware.processes, task.module.weight.item())
"""


def test_two_processes_take_the_same_steps_on_batches_of_their_own(tmp_path):
    pytest.importorskip("accelerate")
    (tmp_path / "task.py").write_text(TASK)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29631"]
    told = subprocess.run(
        [*launch, str(tmp_path / "task.py"), str(tmp_path / "run")],
        cwd=ROOT,
        env={"PYTHONPATH": ":".join([str(ROOT), *sys.path]), "PATH": "/usr/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    results = sorted(line.split() for line in told.stdout.splitlines() if line.startswith("RESULT"))
    assert [(rank, processes) for _, rank, processes, _ in results] == [("0", "2"), ("1", "2")], told.stderr
    assert results[0][3] == results[1][3]
    assert (tmp_path / "run" / "log.csv").read_text().count("\n") == 3  # head, before, after
