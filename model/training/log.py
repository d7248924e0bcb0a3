"""The curves of a training: `log.csv`, and TensorBoard's files where that is installed."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

NAME: Final = "log.csv"


class TrainingLog:
    """Rows of numbers by step; a resumed run loses the rows behind its checkpoint, for it writes them anew."""

    def __init__(self, run: Path, columns: Sequence[str], *, after: int) -> None:
        self._path = run / NAME
        self._columns = ["step", *columns]
        kept = [row for row in read_log(run) if row["step"] <= after] if after else []
        with self._path.open("w", newline="") as file:
            csv.writer(file).writerow(self._columns)
            csv.writer(file).writerows([row.get(name, "") for name in self._columns] for row in kept)
        self._board = _board(run, after)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow([step, *(values.get(name, "") for name in self._columns[1:])])
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()


def read_log(run: Path) -> list[dict[str, float]]:
    """The rows of a run's log; what was not measured at a step is not in its row."""
    path = run / NAME
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def _board(run: Path, after: int) -> Any:  # noqa: ANN401  the library need not be there
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run), purge_step=after + 1)
