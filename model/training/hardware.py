"""What a training runs on: one process, or several that the library accelerate has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from model.errors import BadRecipe


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Where it is computed, and in which precision."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)


def in_float32(device: torch.device) -> torch.autocast:
    """For scores, within an autocast: bfloat16 rounds one of 10 by up to 0.03, much of what tells two captions apart."""
    return torch.autocast(device.type, enabled=False)


class Hardware(Protocol):
    @property
    def device(self) -> torch.device: ...

    @property
    def rank(self) -> int:
        """Which of the processes this is; the first alone writes files."""

    @property
    def processes(self) -> int: ...

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module to call in training: its gradients are those of all processes."""

    def wait(self) -> None:
        """Until all processes are here."""


@dataclass(frozen=True, slots=True)
class OneProcess:
    device: torch.device
    rank: int = 0
    processes: int = 1

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def wait(self) -> None:
        pass


class ManyProcesses:
    """Batches are dealt to the processes; every one compares its own, and gradients are averaged."""

    def __init__(self, *, on_cpu: bool) -> None:
        from accelerate import Accelerator  # an extra: one process does without it

        self._accelerator = Accelerator(cpu=on_cpu)
        # Its processor is called cpu:0, under which nothing can be loaded.
        self.device: torch.device = torch.device("cpu") if on_cpu else self._accelerator.device
        self.rank: int = self._accelerator.process_index
        self.processes: int = self._accelerator.num_processes

    def wrap(self, module: nn.Module) -> nn.Module:
        wrapped: nn.Module = self._accelerator.prepare_model(module)
        return wrapped

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()


@contextmanager
def first_alone(hardware: Hardware) -> Iterator[None]:
    """The first process does it, and the others find it done."""
    if hardware.rank > 0:
        hardware.wait()
    yield
    if hardware.rank == 0:
        hardware.wait()


def find_hardware(device: str) -> Hardware:
    """`accelerate launch` says by the environment how many processes it has started."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return OneProcess(torch.device(device))
    try:
        return ManyProcesses(on_cpu=device == "cpu")
    except ImportError as error:
        raise BadRecipe("several processes were started, which takes the extra `accelerate`: install it") from error
