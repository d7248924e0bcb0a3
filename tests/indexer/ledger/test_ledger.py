"""Waiting for work and for jobs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from indexer.ledger.items import NewItem
from indexer.ledger.jobs import JobState
from indexer.ledger.ledger import Ledger

PassTime = Callable[[float], None]  # seconds


DOG = NewItem("dog.jpg", Path("/photographs/dog.jpg"))


def test_there_is_work_when_something_is_queued_or_its_lease_ran_out(ledger: Ledger, pass_time: PassTime) -> None:
    assert not ledger.wait_for_work(0)
    ledger.submit("holidays", [DOG])
    assert ledger.wait_for_work(0)
    ledger.lease("ann", limit=1, seconds=60)
    assert not ledger.wait_for_work(0)
    pass_time(61)
    assert ledger.wait_for_work(0)


def test_waiting_for_work_ends_when_work_comes(ledger: Ledger) -> None:
    submission = threading.Timer(0.1, ledger.submit, args=("holidays", [DOG]))
    submission.start()
    begun = time.monotonic()
    assert ledger.wait_for_work(10) and time.monotonic() - begun < 5
    submission.join()


def test_waiting_for_a_job_ends_with_the_job_or_with_the_time(ledger: Ledger) -> None:
    job = ledger.submit("holidays", [DOG])
    assert ledger.wait_for_job(job.id, 0.1).state is JobState.QUEUED
    cancellation = threading.Timer(0.1, ledger.cancel, args=(job.id,))
    cancellation.start()
    assert ledger.wait_for_job(job.id, 10).state is JobState.CANCELLED
    cancellation.join()
