"""One row of a parity table: an array of ours against the same array of the published implementation."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    case: str
    array: str
    error: float  # worst absolute error; infinite where shapes or undefined values differ
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


def compare(case, array, ours, expected, tolerance, *, where=None) -> Row:
    """`where` marks the elements that are specified; NaN must meet NaN."""
    ours, expected = np.asarray(ours, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if ours.shape != expected.shape:
        return Row(case, f"{array}: shape {ours.shape}, not {expected.shape}", float("inf"), tolerance)
    if where is not None:
        where = np.broadcast_to(where.reshape(where.shape + (1,) * (ours.ndim - where.ndim)), ours.shape)
        ours, expected = ours[where], expected[where]
    if not ours.size:
        return Row(case, f"{array}: nothing to compare", float("inf"), tolerance)
    if not np.array_equal(np.isnan(ours), np.isnan(expected)):
        return Row(case, f"{array}: undefined values differ", float("inf"), tolerance)
    return Row(case, array, float(np.nan_to_num(np.abs(ours - expected)).max()), tolerance)


def equal(case, array, ours, expected) -> Row:
    """For what is not numbers: exactly alike or not."""
    return Row(case, array, 0.0 if ours == expected else float("inf"), 0.0)


def print_table(rows: Iterable[Row]) -> bool:
    """Print all rows and a summary; whether there were any and all passed."""
    table = Table("case", "array", "worst absolute error", "tolerance", "", box=None)
    rows = list(rows)
    for row in rows:
        verdict = "ok" if row.passed else "[red]MISS[/red]"
        table.add_row(escape(row.case), escape(row.array), f"{row.error:.2e}", f"{row.tolerance:.0e}", verdict)
    console = Console(width=130, soft_wrap=True)
    console.print(table)
    missed = sum(not row.passed for row in rows)
    console.print(f"{len(rows)} arrays compared, {missed} missed")
    return bool(rows) and not missed
