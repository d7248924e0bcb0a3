"""What the command line shows: progress, hits and measurements."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from model.evaluation.protocol import Report
from service.schemas import SearchHit

Item = TypeVar("Item")

output: Final = Console()
messages: Final = Console(stderr=True)


def progress_bar() -> Progress:
    """On the terminal alone; a log gets no bar."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=messages,
        disable=not messages.is_terminal,
    )


def with_progress(items: Iterable[Item], *, total: int, what: str) -> Iterator[Item]:
    with progress_bar() as bar:
        task = bar.add_task(what, total=total, rate="")
        for item in items:
            yield item
            bar.advance(task)


def show_steps(bar: Progress, name: str, *, done: int, total: int, told: str) -> None:
    """One line of the bar for every `name`."""
    task = next((one.id for one in bar.tasks if one.description == name), None)
    if task is None:
        task = bar.add_task(name, rate="")
    bar.update(task, completed=done, total=total, rate=told)


def say(message: str) -> None:
    """To the terminal, and out of the way of what is printed for programs."""
    messages.print(message, markup=False, highlight=False, soft_wrap=True)


def print_hits(hits: Sequence[SearchHit], sources: Sequence[str]) -> None:
    for hit, source in zip(hits, sources, strict=True):
        output.print(f"{hit.rank:3}. {hit.score:7.3f}  {source}", markup=False, highlight=False, soft_wrap=True)
        for word in hit.explanation.words if hit.explanation else ():
            assert hit.explanation is not None
            box = ", ".join(f"{side:.2f}" for side in hit.explanation.regions[str(word.region)].box)
            output.print(
                f"       {word.text:<14} {word.contribution:+.3f}  box [{box}]",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    if not hits:
        say("nothing found: the collection is empty")


def print_report(report: Report) -> None:
    table = Table("", "R@1", "R@5", "R@10", "medr", "meanr", box=None)
    for name, metrics in (("text to image", report.t2i), ("image to text", report.i2t)):
        table.add_row(name, *(f"{value:.1f}" for value in asdict(metrics).values()))
    output.print(table)
    output.print(f"{report.images} images, {report.captions} captions, rsum {report.to_json()['rsum']:.1f}")
