"""Items are lent, prolonged, given back, finished; and lost with a worker that dies."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from indexer.ledger.items import ItemState, NewItem
from indexer.ledger.leases import Leased, Outcome
from indexer.ledger.ledger import Ledger

PassTime = Callable[[float], None]  # seconds


def photographs(count: int) -> list[NewItem]:
    return [NewItem(f"{n}.jpg", Path(f"/photographs/{n}.jpg")) for n in range(count)]


def names(leased: Iterable[Leased]) -> list[str]:
    return [item.name for item in leased]


def indexed(leased: Iterable[Leased]) -> list[Outcome]:
    return [Outcome(item.number, ItemState.INDEXED) for item in leased]


def test_a_leased_item_says_all_that_was_submitted_of_it(ledger: Ledger) -> None:
    new = NewItem("dog.jpg", Path("/spool/1f"), spooled=True, image_id="b3:00", metadata={"tags": ["outdoor"]})
    job = ledger.submit("holidays", [new])
    (item,) = ledger.lease("ann", limit=5, seconds=60)
    assert (item.name, item.path, item.spooled, item.image_id) == (new.name, new.path, True, "b3:00")
    assert (item.metadata, item.job, item.collection, item.tries) == (new.metadata, job.id, "holidays", 1)
    assert item.key == f"{job.id}/{item.number}"


def test_items_are_lent_in_the_order_of_submission_and_once(ledger: Ledger) -> None:
    ledger.submit("holidays", photographs(5))
    assert names(ledger.lease("ann", limit=3, seconds=60)) == ["0.jpg", "1.jpg", "2.jpg"]
    assert names(ledger.lease("bob", limit=3, seconds=60)) == ["3.jpg", "4.jpg"]
    assert ledger.lease("cat", limit=3, seconds=60) == []


def test_a_batch_is_filled_from_several_jobs_of_one_collection(ledger: Ledger) -> None:
    for collection in ("holidays", "work", "holidays"):
        ledger.submit(collection, photographs(2))
    assert {item.collection for item in ledger.lease("ann", limit=16, seconds=60)} == {"holidays"}
    assert {item.collection for item in ledger.lease("bob", limit=16, seconds=60)} == {"work"}
    assert ledger.unfinished() == 6 and ledger.lease("cat", limit=16, seconds=60) == []


def test_a_small_job_does_not_wait_for_the_end_of_a_large_one(ledger: Ledger, pass_time: PassTime) -> None:
    ledger.submit("large", photographs(100))
    ledger.submit("small", photographs(1))
    collections = []
    for _ in range(3):
        pass_time(1)
        collections.append(ledger.lease("ann", limit=4, seconds=60)[0].collection)
    assert collections == ["large", "small", "large"]


def test_the_outcome_is_kept(ledger: Ledger) -> None:
    job = ledger.submit("holidays", photographs(2))
    first, second = ledger.lease("ann", limit=2, seconds=60)
    outcomes = [
        Outcome(first.number, ItemState.DUPLICATE, image_id="b3:11"),
        Outcome(second.number, ItemState.FAILED, code="image_truncated", detail="stopped after 51 %"),
    ]
    assert ledger.finish("ann", outcomes) == [first.number, second.number]
    one, two = ledger.items(job.id)
    assert (one.state, one.image_id, one.code) == (ItemState.DUPLICATE, "b3:11", None)
    assert (two.state, two.code, two.detail) == (ItemState.FAILED, "image_truncated", "stopped after 51 %")


def test_an_id_that_was_known_before_is_kept(ledger: Ledger) -> None:
    job = ledger.submit("holidays", [NewItem("dog.jpg", Path("/dog.jpg"), image_id="b3:22")])
    ledger.finish("ann", indexed(ledger.lease("ann", limit=1, seconds=60)))
    assert ledger.items(job.id)[0].image_id == "b3:22"


def test_an_item_is_finished_once(ledger: Ledger) -> None:
    job = ledger.submit("holidays", photographs(1))
    leased = ledger.lease("ann", limit=1, seconds=60)
    ledger.finish("ann", indexed(leased))
    assert ledger.finish("ann", [Outcome(leased[0].number, ItemState.FAILED, code="late")]) == []
    assert ledger.items(job.id)[0].state is ItemState.INDEXED


def test_who_finishes_after_the_item_was_lent_anew_is_refused(ledger: Ledger, pass_time: PassTime) -> None:
    job = ledger.submit("holidays", photographs(1))
    leased = ledger.lease("ann", limit=1, seconds=60)
    pass_time(61)
    assert ledger.lease("bob", limit=1, seconds=60)[0].tries == 2
    assert ledger.finish("ann", [Outcome(leased[0].number, ItemState.FAILED, code="late")]) == []
    assert ledger.finish("bob", indexed(leased)) == [leased[0].number]
    assert ledger.items(job.id)[0].state is ItemState.INDEXED


def test_who_is_slow_but_not_replaced_may_finish(ledger: Ledger, pass_time: PassTime) -> None:
    ledger.submit("holidays", photographs(1))
    leased = ledger.lease("ann", limit=1, seconds=60)
    pass_time(61)
    assert ledger.finish("ann", indexed(leased)) == [leased[0].number]


def test_a_heartbeat_keeps_the_items_of_its_worker_alone(ledger: Ledger, pass_time: PassTime) -> None:
    ledger.submit("holidays", photographs(3))
    ledger.lease("ann", limit=2, seconds=60)
    ledger.lease("bob", limit=1, seconds=60)
    pass_time(50)
    assert ledger.heartbeat("ann", seconds=60) == 2
    pass_time(50)
    assert names(ledger.lease("cat", limit=3, seconds=60)) == ["2.jpg"]
    assert ledger.heartbeat("bob", seconds=60) == 0


def test_what_is_released_counts_as_never_lent(ledger: Ledger) -> None:
    ledger.submit("holidays", photographs(3))
    ledger.lease("ann", limit=2, seconds=60)
    assert ledger.release("ann") == 2
    leased = ledger.lease("bob", limit=3, seconds=60)
    assert names(leased) == ["0.jpg", "1.jpg", "2.jpg"]
    assert {item.tries for item in leased} == {1}


def test_suspects_are_lent_before_the_others_a_few_together_and_then_one_by_one(
    ledger: Ledger, pass_time: PassTime
) -> None:
    ledger.submit("holidays", photographs(40))
    ledger.lease("ann", limit=32, seconds=60)
    pass_time(61)
    ledger.lease("bob", limit=32, seconds=60)
    pass_time(61)
    batches = []
    while ledger.unfinished():
        batches.append(ledger.lease("cat", limit=32, seconds=60))
        ledger.finish("cat", indexed(batches[-1]))
    assert [len(batch) for batch in batches] == [1] * 16 + [16, 8]
    assert names(batches[0]) == ["0.jpg"]
    assert names(batches[16])[0] == "16.jpg"


def test_who_holds_a_suspect_is_lent_nothing_else(ledger: Ledger, pass_time: PassTime) -> None:
    ledger.submit("holidays", photographs(2))
    ledger.lease("ann", limit=1, seconds=60)
    pass_time(61)
    assert names(ledger.lease("bob", limit=2, seconds=60)) == ["0.jpg"]
    assert ledger.lease("bob", limit=2, seconds=60) == []
    assert names(ledger.lease("cat", limit=2, seconds=60)) == ["1.jpg"]


def test_a_suspect_waits_for_a_worker_with_empty_hands(ledger: Ledger, pass_time: PassTime) -> None:
    ledger.submit("holidays", photographs(3))
    ledger.lease("ann", limit=1, seconds=60)
    held = ledger.lease("bob", limit=1, seconds=600)
    pass_time(61)
    assert ledger.lease("bob", limit=1, seconds=60) == []
    ledger.finish("bob", indexed(held))
    assert names(ledger.lease("bob", limit=1, seconds=60)) == ["0.jpg"]


@pytest.mark.parametrize("poison", [0, 7, 15])
def test_an_item_that_kills_its_workers_fails_and_harms_no_other(
    ledger: Ledger, pass_time: PassTime, poison: int
) -> None:
    job = ledger.submit("holidays", photographs(20))
    deaths = 0
    while ledger.unfinished():
        leased = ledger.lease(f"worker {deaths}", limit=16, seconds=60)
        if f"{poison}.jpg" in names(leased):
            deaths += 1
            pass_time(61)
        else:
            ledger.finish(f"worker {deaths}", indexed(leased))
    (failed,) = ledger.items(job.id, state=ItemState.FAILED)
    assert (failed.name, failed.code, deaths) == (f"{poison}.jpg", "worker_crashed", 3)
    assert ledger.job(job.id).counts.indexed == 19
