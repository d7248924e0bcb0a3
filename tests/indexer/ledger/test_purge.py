"""Old jobs are forgotten, open and young ones are not."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from indexer.ledger.errors import UnknownJob
from indexer.ledger.items import NewItem
from indexer.ledger.ledger import Ledger

PassTime = Callable[[float], None]  # seconds


DAY = timedelta(days=1)
DOG = NewItem("dog.jpg", Path("/photographs/dog.jpg"))


def test_only_jobs_that_finished_long_ago_are_forgotten(ledger: Ledger, pass_time: PassTime) -> None:
    old, unfinished = ledger.submit("holidays", []), ledger.submit("holidays", [DOG])
    pass_time(2 * DAY.total_seconds())
    young = ledger.submit("holidays", [])
    assert ledger.purge(older_than=DAY) == 1
    assert {job.id for job in ledger.list_jobs()} == {unfinished.id, young.id}
    with pytest.raises(UnknownJob):
        ledger.job(old.id)


def test_the_items_of_a_forgotten_job_go_with_it_and_their_numbers_are_not_used_again(
    ledger: Ledger, pass_time: PassTime
) -> None:
    cancelled = ledger.cancel(ledger.submit("holidays", [DOG] * 3).id)
    last = ledger.items(cancelled.id)[-1].number
    pass_time(2 * DAY.total_seconds())
    ledger.purge(older_than=DAY)
    (item,) = ledger.items(ledger.submit("holidays", [DOG]).id)
    assert item.number == last + 1
