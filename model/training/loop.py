"""The training loop: it knows steps, rates, precision and checkpoints, and leaves to a task what is learned.

Nothing random outlives a step: a batch and its dropout follow from the seed and the number of the step alone. So a
training that was stopped goes on from its last checkpoint, in the middle of an epoch too, as if it had not been.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from model.errors import BadRecipe, Diverged
from model.training.average import WeightAverage
from model.training.hardware import Hardware
from model.training.log import TrainingLog
from model.training.optimization import Optimization, ParameterGroup, build_optimizer, rate_share, set_rates
from model.training.state import Trained, load_best, load_last, save_best, save_last

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class Validation:
    score: float  # the higher, the better
    metrics: Mapping[str, float]


class Task(Protocol[Batch]):
    """What is learned."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def batches(self) -> int:
        """How many an epoch has."""

    @property
    def metric_names(self) -> tuple[str, ...]: ...

    def parameter_groups(self) -> Sequence[ParameterGroup]: ...

    def batch(self, epoch: int, number: int) -> Batch:
        """The same for the same numbers; called from another thread while the last one is learned from."""

    def loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """`module` is the task's own, or what stands for it among several processes."""

    def validate(self) -> Validation: ...

    def publish(self, folder: Path) -> None:
        """Write what was learned so far for others to use."""


@dataclass(frozen=True, slots=True)
class Progress:
    stage: str
    step: int  # done
    steps: int  # of the whole stage
    loss: float  # the mean since the last row of the log
    metrics: Mapping[str, float]  # of the last validation


Watch = Callable[[Progress], None]

LEAST_SCALE: Final = 2.0**-10  # of float16's gradients, from 2^16 on: it is halved where they are no numbers


def run_stage(
    task: Task[Batch],
    optimization: Optimization,
    *,
    run: Path,
    identity: str,
    hardware: Hardware,
    watch: Watch,
    stopping: threading.Event,
) -> bool:
    """Train, with checkpoints in `run`; True when it is finished, and then the task's module has the best weights.

    `identity` is all that the result depends on: a run that was begun with another one is not gone on with.
    """
    run.mkdir(parents=True, exist_ok=True)
    if not _Stage(task, optimization, run=run, identity=identity, hardware=hardware).train(watch, stopping):
        return False
    hardware.wait()
    load_best(run, task.module)
    return True


class _Stage(Generic[Batch]):
    def __init__(
        self, task: Task[Batch], optimization: Optimization, *, run: Path, identity: str, hardware: Hardware
    ) -> None:
        self._task, self._optimization, self._hardware = task, optimization, hardware
        self._run, self._identity = run, identity
        self._steps_of_epoch = task.batches // (optimization.accumulate * hardware.processes)
        if not self._steps_of_epoch:
            raise BadRecipe(
                f"{run.name}: the images make {task.batches} batches, and a step takes {optimization.accumulate}"
                f" in each of {hardware.processes} processes: lower `images` of the stage, or `accumulate`"
            )
        self._steps = optimization.epochs * self._steps_of_epoch
        optimizer = build_optimizer(task.parameter_groups(), weight_decay=optimization.weight_decay)
        self._learner = hardware.wrap(task.module)  # which parameters learn must be known by now
        scaler = torch.amp.GradScaler(hardware.device.type, enabled=optimization.precision == "float16")
        average = WeightAverage(task.module, decay=optimization.average)
        self._trained = Trained(task.module, optimizer, scaler, average)
        self._state = load_last(run, self._trained, identity=identity)
        self._started = time.monotonic() - self._state.seconds
        columns = ("epoch", "seconds", "lr", "loss", *task.metric_names)
        self._log = TrainingLog(run, columns, after=self._state.step) if hardware.rank == 0 else None
        self._losses: list[float] = []  # since the last checkpoint
        self._metrics: Mapping[str, float] = {}  # of the last validation

    def train(self, watch: Watch, stopping: threading.Event) -> bool:
        state = self._state
        if state.step == 0:
            self._validate()
            self._record(validated=True)
        for batches in self._prefetched():
            self._learn(batches)
            validating = self._ends_a_validation_interval()
            if validating:
                self._validate()
            watch(Progress(self._run.name, state.step, self._steps, float(np.mean(self._losses)), self._metrics))
            asked_to_stop = self._hardware.any(stopping.is_set())  # once, for another signal may come
            if validating or asked_to_stop or state.step % self._optimization.checkpoint_every == 0:
                self._record(validated=validating)
                self._save()
            if asked_to_stop:
                break
        if state.step == self._steps and self._log is not None:
            self._tell_best()
        return state.step == self._steps

    def _tell_best(self) -> None:
        best, score = self._state.best_step, self._state.best
        logger.info("%s is done: best after step %d of %d (%.4g)", self._run.name, best, self._steps, score)
        if best == 0:
            logger.warning("%s learned nothing that validates better than what it began with", self._run.name)

    def _learn(self, batches: Sequence[Batch]) -> None:
        """One step."""
        optimizer, scaler = self._trained.optimizer, self._trained.scaler
        share = rate_share(self._optimization, done=self._state.step, steps_of_epoch=self._steps_of_epoch)
        set_rates(optimizer, share)
        seeds = np.random.SeedSequence([self._optimization.seed, self._state.step, self._hardware.rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        self._task.module.train()
        self._task.module.zero_grad(set_to_none=True)  # of what an earlier stage trained too: it counts in the norm
        losses = []
        for batch in batches:
            loss = self._task.loss(self._learner, batch)
            losses.append(float(loss.detach()))
            self._check_sane(losses[-1])
            scaler.scale(loss / len(batches)).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(self._task.module.parameters(), self._optimization.clip)
        scaler.step(optimizer)
        scaler.update()
        self._losses.append(float(np.mean(losses)))
        self._state.step += 1
        self._trained.average.update(step=self._state.step)

    def _check_sane(self, loss: float) -> None:
        """Raises Diverged. Float16 has steps that overflow, which are passed over with a smaller scale."""
        scaler = self._trained.scaler
        if scaler.get_scale() < LEAST_SCALE if scaler.is_enabled() else not math.isfinite(loss):
            raise Diverged(
                f"{self._run.name}: the loss is {loss} at step {self._state.step + 1}:"
                " lower `lr` or `clip` of the stage and name another --work; `best` of this one holds its best weights"
            )

    def _prefetched(self) -> Iterator[list[Batch]]:
        """The batches of every step that is left, each drawn while the one before it is learned from."""
        steps = range(self._state.step, self._steps)
        if not steps:
            return
        with ThreadPoolExecutor(1) as executor:
            upcoming = executor.submit(self._batches_of, steps[0])
            for step in steps:
                batches = upcoming.result()
                if step + 1 < self._steps:
                    upcoming = executor.submit(self._batches_of, step + 1)
                yield batches

    def _batches_of(self, step: int) -> list[Batch]:
        epoch, place = divmod(step, self._steps_of_epoch)
        each = self._optimization.accumulate
        first = (place * self._hardware.processes + self._hardware.rank) * each
        return [self._task.batch(epoch, number) for number in range(first, first + each)]

    def _ends_a_validation_interval(self) -> bool:
        interval = self._optimization.validate_every or self._steps_of_epoch
        return self._state.step % interval == 0 or self._state.step == self._steps

    def _validate(self) -> None:
        if self._hardware.rank == 0:
            self._task.module.eval()
            with self._trained.average.in_use():
                self._keep_if_best(self._task.validate())
                self._task.publish(self._run / "last")
        self._hardware.wait()

    def _keep_if_best(self, validation: Validation) -> None:
        self._metrics = validation.metrics
        told = ", ".join(f"{name} {value:.4g}" for name, value in validation.metrics.items())
        logger.info("step %d of %d: %s", self._state.step, self._steps, told)
        if validation.score > self._state.best:
            self._state.best, self._state.best_step = validation.score, self._state.step
            save_best(self._run, self._task.module)
            self._task.publish(self._run / "best")

    def _record(self, *, validated: bool) -> None:
        row = {"epoch": self._state.step / self._steps_of_epoch, "seconds": time.monotonic() - self._started}
        if self._losses:
            row |= {"lr": self._trained.optimizer.param_groups[0]["lr"], "loss": float(np.mean(self._losses))}
        if self._log is not None:
            self._log.write(self._state.step, row | dict(self._metrics if validated else {}))
        self._losses.clear()

    def _save(self) -> None:
        if self._hardware.rank == 0:
            self._state.seconds = time.monotonic() - self._started
            save_last(self._run, self._state, self._trained, identity=self._identity)
