"""What a training runs on: one process, or several that the library accelerate has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import torch
from torch import nn

from model.errors import BadRecipe

PATIENCE: Final = timedelta(days=1)  # with the first process, while it decodes, looks at all pictures, or validates


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Where it is computed, and in which precision."""

    device: torch.device
    dtype: torch.dtype

    @property
    def kind(self) -> str:
        """What tells its results from others; not the device itself, of which every process has another one."""
        return f"{self.device.type} {self.dtype}"

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)


def in_float32(device: torch.device) -> torch.autocast:
    """For scores, within an autocast: bfloat16 rounds one of 10 by up to 0.03, more than often lies between two."""
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

    def any(self, flag: bool) -> bool:
        """Whether it is set in one of the processes at least; all must ask."""


@dataclass(frozen=True, slots=True)
class OneProcess:
    device: torch.device
    rank: int = 0
    processes: int = 1

    def wrap(self, module: nn.Module) -> nn.Module:
        return module

    def wait(self) -> None:
        pass

    def any(self, flag: bool) -> bool:
        return flag


class ManyProcesses:
    """Batches are dealt to the processes; every one compares its own, and gradients are averaged."""

    def __init__(self, *, on_cpu: bool) -> None:
        from accelerate import Accelerator, InitProcessGroupKwargs  # an extra: one process does without it

        patience = InitProcessGroupKwargs(timeout=PATIENCE)
        self._accelerator = Accelerator(cpu=on_cpu, kwargs_handlers=[patience])
        # Its processor is called cpu:0, under which nothing can be loaded.
        self.device: torch.device = torch.device("cpu") if on_cpu else self._accelerator.device
        self.rank: int = self._accelerator.process_index
        self.processes: int = self._accelerator.num_processes

    def wrap(self, module: nn.Module) -> nn.Module:
        wrapped: nn.Module = self._accelerator.prepare_model(module)
        return wrapped

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()

    def any(self, flag: bool) -> bool:
        count: torch.Tensor = self._accelerator.reduce(torch.tensor(float(flag), device=self.device), reduction="sum")
        return bool(count > 0)


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
