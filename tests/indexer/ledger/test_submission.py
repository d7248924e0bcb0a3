"""A job comes in whole or not at all, and comes in once."""

import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from indexer.ledger.errors import IdempotencyKeyReused
from indexer.ledger.items import ItemState, NewItem, RefusedItem
from indexer.ledger.jobs import JobState
from indexer.ledger.ledger import Ledger

PassTime = Callable[[float], None]  # seconds


DOG = NewItem("dog.jpg", Path("/photographs/dog.jpg"))
TORN = RefusedItem("torn.jpg", code="payload_too_large", detail="70 MiB; the limit is 64 MiB")


def test_a_submitted_job_waits_with_all_its_items(ledger: Ledger) -> None:
    job = ledger.submit("holidays", [DOG, DOG])
    assert (job.collection, job.state, job.counts.queued, job.counts.received) == ("holidays", JobState.QUEUED, 2, 2)
    assert job == ledger.job(job.id)


def test_refused_items_are_told_of_beside_the_others(ledger: Ledger) -> None:
    job = ledger.submit("holidays", [DOG, TORN])
    assert (job.state, job.counts.queued, job.counts.failed) == (JobState.QUEUED, 1, 1)
    (error,) = job.errors_sample
    assert (error.item, error.code, error.detail) == (TORN.name, TORN.code, TORN.detail)


def test_a_job_without_work_is_finished_at_once(ledger: Ledger) -> None:
    refused, empty = ledger.submit("holidays", [TORN]), ledger.submit("holidays", [])
    assert (refused.state, empty.state) == (JobState.FAILED, JobState.SUCCEEDED)
    assert refused.finished_at == refused.created_at


def test_when_the_items_break_off_nothing_comes_in(ledger: Ledger) -> None:
    def broken() -> Iterator[NewItem]:
        yield DOG
        raise OSError("the folder is gone")

    with pytest.raises(OSError, match="gone"):
        ledger.submit("holidays", broken())
    assert ledger.list_jobs() == [] and ledger.unfinished() == 0


def test_nobody_waits_for_a_slow_list_of_items(ledger: Ledger) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> Iterator[NewItem]:
        yield DOG
        begun.set()
        may_end.wait(10)

    thread = threading.Thread(target=ledger.submit, args=("slow", slow()))
    thread.start()
    begun.wait()
    assert ledger.submit("quick", [DOG]).counts.queued == 1
    assert [job.collection for job in ledger.list_jobs()] == ["quick"]
    may_end.set()
    thread.join()
    assert ledger.unfinished() == 2


def test_items_are_not_held_in_memory(ledger: Ledger) -> None:
    tracemalloc.start()
    ledger.submit("holidays", (NewItem("dog.jpg", DOG.path, metadata={"text": "x" * 10_000}) for _ in range(2_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_names_that_are_not_text_come_through(ledger: Ledger) -> None:
    path = Path(os.fsdecode(b"/photographs/caf\xe9.jpg"))
    job = ledger.submit("holidays", [NewItem(path.name, path), RefusedItem(path.name, "image_empty", str(path))])
    assert ledger.lease("ann", limit=1, seconds=60)[0].path == path
    assert [item.name for item in ledger.items(job.id)] == ["caf?.jpg", "caf?.jpg"]


def test_the_same_key_and_request_give_the_same_job(ledger: Ledger) -> None:
    first = ledger.submit("holidays", [DOG], idempotency_key="k", request_digest="d")
    again = ledger.submit("holidays", [DOG], idempotency_key="k", request_digest="d")
    assert again == first and ledger.unfinished() == 1


def test_the_same_key_with_another_request_is_refused(ledger: Ledger) -> None:
    first = ledger.submit("holidays", [DOG], idempotency_key="k", request_digest="d")
    with pytest.raises(IdempotencyKeyReused, match=first.id):
        ledger.submit("holidays", [DOG, DOG], idempotency_key="k", request_digest="e")
    assert ledger.unfinished() == 1


def test_a_key_is_forgotten_after_a_day(ledger: Ledger, pass_time: PassTime) -> None:
    first = ledger.submit("holidays", [DOG], idempotency_key="k", request_digest="d")
    pass_time(timedelta(hours=24).total_seconds())
    assert ledger.submit("holidays", [DOG], idempotency_key="k", request_digest="e").id != first.id


def test_of_many_submissions_of_one_key_at_once_one_becomes_the_job(ledger: Ledger) -> None:
    def submit() -> None:
        ids.add(ledger.submit("holidays", [DOG], idempotency_key="k", request_digest="d").id)

    ids: set[str] = set()
    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 1 and ledger.items(ids.pop())[0].state is ItemState.QUEUED and ledger.unfinished() == 1
