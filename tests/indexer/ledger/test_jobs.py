"""What a user is told of a job."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from indexer.ledger.errors import UnknownJob
from indexer.ledger.items import ItemState, NewItem
from indexer.ledger.jobs import Job, JobState
from indexer.ledger.leases import Outcome
from indexer.ledger.ledger import Ledger

PassTime = Callable[[float], None]  # seconds


INDEXED, DUPLICATE, FAILED = ItemState.INDEXED, ItemState.DUPLICATE, ItemState.FAILED


def photographs(count: int) -> list[NewItem]:
    return [NewItem(f"{n}.jpg", Path(f"/photographs/{n}.jpg")) for n in range(count)]


def work(ledger: Ledger, *states: ItemState) -> None:
    """Let a worker bring the next items to these ends."""
    leased = ledger.lease("ann", limit=len(states), seconds=600)
    ledger.finish(
        "ann",
        [Outcome(item.number, state, code="torn", detail="!") for item, state in zip(leased, states, strict=True)],
    )


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ([INDEXED, INDEXED], JobState.SUCCEEDED),
        ([INDEXED, DUPLICATE], JobState.SUCCEEDED),
        ([INDEXED, FAILED], JobState.PARTIAL),
        ([FAILED, FAILED], JobState.FAILED),
    ],
)
def test_the_ends_of_the_items_are_the_end_of_the_job(ledger: Ledger, ends: list[ItemState], state: JobState) -> None:
    job = ledger.submit("holidays", photographs(len(ends)))
    work(ledger, *ends)
    assert ledger.job(job.id).state is state


def test_a_job_is_queued_then_running_then_finished(ledger: Ledger, pass_time: PassTime) -> None:
    job = ledger.submit("holidays", photographs(2))
    assert job.state is JobState.QUEUED and job.finished_at is None
    work(ledger, INDEXED)
    between = ledger.job(job.id)
    assert between.state is JobState.RUNNING and between.finished_at is None
    pass_time(5)
    work(ledger, INDEXED)
    assert ledger.job(job.id).finished_at == job.created_at + timedelta(seconds=5)


def test_rate_and_eta_are_those_of_the_last_minute(ledger: Ledger, pass_time: PassTime) -> None:
    job = ledger.submit("holidays", photographs(200))
    work(ledger, *[INDEXED] * 50)
    pass_time(1000)
    work(ledger, *[INDEXED] * 90)
    pass_time(30)
    running = ledger.job(job.id)
    assert running.rate_per_s == pytest.approx(90 / 60)
    assert running.eta_s == pytest.approx(60 / (90 / 60))


def test_rate_is_counted_from_the_first_lease(ledger: Ledger, pass_time: PassTime) -> None:
    job = ledger.submit("holidays", photographs(30))
    pass_time(1000)
    leased = ledger.lease("ann", limit=20, seconds=60)
    pass_time(10)
    ledger.finish("ann", [Outcome(item.number, INDEXED) for item in leased])
    running = ledger.job(job.id)
    assert (running.rate_per_s, running.eta_s) == (pytest.approx(2.0), pytest.approx(5.0))


def test_a_job_at_rest_has_no_eta(ledger: Ledger, pass_time: PassTime) -> None:
    job = ledger.submit("holidays", photographs(2))
    assert (job.rate_per_s, job.eta_s) == (0.0, None)
    work(ledger, INDEXED)
    pass_time(100)
    assert (ledger.job(job.id).rate_per_s, ledger.job(job.id).eta_s) == (0.0, None)
    work(ledger, INDEXED)
    assert ledger.job(job.id).eta_s is None


def test_the_first_ten_errors_are_shown(ledger: Ledger) -> None:
    job = ledger.submit("holidays", photographs(14))
    work(ledger, INDEXED, INDEXED, *[FAILED] * 12)
    errors = ledger.job(job.id).errors_sample
    assert [error.item for error in errors] == [f"{n}.jpg" for n in range(2, 12)]
    assert (errors[0].code, errors[0].detail) == ("torn", "!")


def test_the_list_of_jobs_goes_page_by_page_from_the_newest(ledger: Ledger, pass_time: PassTime) -> None:
    submitted: list[Job] = []
    for _ in range(5):
        pass_time(1)
        submitted.append(ledger.submit("holidays", photographs(1)))
    first = ledger.list_jobs(limit=2)
    assert first + ledger.list_jobs(before=first[-1].id, limit=10) == submitted[::-1]


def test_an_unknown_job_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(UnknownJob, match="'nothing'"):
        ledger.job("nothing")
    with pytest.raises(UnknownJob):
        ledger.items("nothing")
