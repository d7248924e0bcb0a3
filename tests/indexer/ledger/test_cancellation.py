"""A cancelled job finishes what runs and begins nothing more."""

from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.ledger.errors import UnknownJob
from indexer.ledger.items import ItemState, NewItem
from indexer.ledger.jobs import JobState
from indexer.ledger.leases import Outcome
from indexer.ledger.ledger import Ledger

PassTime = Callable[[float], None]  # seconds


def photographs(count: int) -> list[NewItem]:
    return [NewItem(f"{n}.jpg", Path(f"/photographs/{n}.jpg")) for n in range(count)]


def test_a_job_that_has_not_begun_is_cancelled_at_once(ledger: Ledger) -> None:
    cancelled = ledger.cancel(ledger.submit("holidays", photographs(3)).id)
    assert (cancelled.state, cancelled.counts.cancelled) == (JobState.CANCELLED, 3)
    assert cancelled.finished_at is not None and ledger.lease("ann", limit=3, seconds=60) == []


def test_what_runs_is_finished_first(ledger: Ledger) -> None:
    job = ledger.submit("holidays", photographs(3))
    (item,) = ledger.lease("ann", limit=1, seconds=60)
    draining = ledger.cancel(job.id)
    assert (draining.state, draining.counts.running, draining.counts.cancelled) == (JobState.CANCELLING, 1, 2)
    ledger.finish("ann", [Outcome(item.number, ItemState.INDEXED)])
    done = ledger.job(job.id)
    assert (done.state, done.counts.indexed) == (JobState.CANCELLED, 1)


@pytest.mark.parametrize("orderly", [True, False])
def test_what_comes_back_unfinished_is_not_begun_again(ledger: Ledger, pass_time: PassTime, orderly: bool) -> None:
    job = ledger.submit("holidays", photographs(1))
    ledger.lease("ann", limit=1, seconds=60)
    ledger.cancel(job.id)
    if orderly:
        ledger.release("ann")
    else:
        pass_time(61)
    assert ledger.lease("bob", limit=1, seconds=60) == []
    assert ledger.job(job.id).state is JobState.CANCELLED


def test_other_jobs_go_on(ledger: Ledger) -> None:
    first, second = ledger.submit("holidays", photographs(2)), ledger.submit("holidays", photographs(2))
    ledger.cancel(first.id)
    assert {item.job for item in ledger.lease("ann", limit=4, seconds=60)} == {second.id}


def test_a_finished_job_stays_as_it_is(ledger: Ledger) -> None:
    job = ledger.submit("holidays", photographs(1))
    (item,) = ledger.lease("ann", limit=1, seconds=60)
    ledger.finish("ann", [Outcome(item.number, ItemState.INDEXED)])
    assert ledger.cancel(job.id).state is JobState.SUCCEEDED


def test_an_unknown_job_cannot_be_cancelled(ledger: Ledger) -> None:
    with pytest.raises(UnknownJob, match="'nothing'"):
        ledger.cancel("nothing")
