"""The items of a job, page by page."""

from pathlib import Path

import pytest

from indexer.ledger.items import Item, ItemState, NewItem, RefusedItem
from indexer.ledger.leases import Outcome
from indexer.ledger.ledger import Ledger


@pytest.fixture
def job_id(ledger: Ledger) -> str:
    """A job of twenty items of mixed states, between two others."""
    ledger.submit("work", [RefusedItem("x", "image_empty", "")])
    new = [NewItem(f"{n}.jpg", Path(f"/{n}.jpg")) if n % 3 else RefusedItem(f"{n}.jpg", "torn", "") for n in range(20)]
    job = ledger.submit("holidays", new)
    ledger.submit("work", [RefusedItem("x", "image_empty", "")])
    leased = ledger.lease("ann", limit=7, seconds=60)
    ledger.finish("ann", [Outcome(item.number, ItemState.INDEXED) for item in leased[2:5]])
    return job.id


def pages(ledger: Ledger, job_id: str, *, state: ItemState | None, limit: int) -> list[Item]:
    items: list[Item] = []
    while page := ledger.items(job_id, state=state, after=items[-1].number if items else 0, limit=limit):
        assert len(page) <= limit
        items += page
    return items


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_pages_of_all_states_hold_every_item_in_order(ledger: Ledger, job_id: str, limit: int) -> None:
    assert [item.name for item in pages(ledger, job_id, state=None, limit=limit)] == [f"{n}.jpg" for n in range(20)]


@pytest.mark.parametrize("state", ItemState)
def test_the_pages_of_one_state_hold_what_has_it(ledger: Ledger, job_id: str, state: ItemState) -> None:
    expected = [item for item in ledger.items(job_id) if item.state is state]
    assert pages(ledger, job_id, state=state, limit=2) == expected
