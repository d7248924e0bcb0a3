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
        draft = self._path.with_suffix(".draft")
        with draft.open("w", newline="") as file:
            csv.writer(file).writerows([self._columns, *(self._cells(row) for row in kept)])
        draft.replace(self._path)
        self._board = _board(run, after)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow(self._cells({"step": step, **values}))
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def _cells(self, row: Mapping[str, float]) -> list[str]:
        return [f"{row[name]:.8g}" if name in row else "" for name in self._columns]


def read_log(run: Path) -> list[dict[str, float]]:
    """The rows of a run's log; what was not measured at a step is not in its row.

    They end where a power cut has torn one, or a training has gone on after one that it tore.
    """
    path = run / NAME
    if not path.exists():
        return []
    rows: list[dict[str, float]] = []
    with path.open(newline="", errors="replace") as file:
        for row in csv.DictReader(file):
            try:
                read = {name: float(value) for name, value in row.items() if value}
            except (TypeError, ValueError):  # more cells than columns, or no number in one
                break
            if "step" not in read or (rows and read["step"] <= rows[-1]["step"]):
                break
            rows.append(read)
    return rows


def _board(run: Path, after: int) -> Any:  # noqa: ANN401  the library need not be there
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run), purge_step=after + 1)
