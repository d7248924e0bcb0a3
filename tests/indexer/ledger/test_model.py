"""Whatever is done in whatever order, the ledger agrees with a dictionary."""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from indexer.ledger.items import ItemState, NewItem
from indexer.ledger.leases import MAX_LOST_LEASES, SUSPECTS_AT_ONCE, Leased, Outcome
from indexer.ledger.ledger import Ledger

WORKERS = st.sampled_from(["ann", "bob"])
QUEUED, RUNNING, CANCELLED, FAILED = ItemState.QUEUED, ItemState.RUNNING, ItemState.CANCELLED, ItemState.FAILED


@dataclass
class Expected:
    job: str
    state: ItemState = QUEUED
    worker: str = ""
    until: float = 0.0
    lost: int = 0


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger(Path(self.folder.name) / "ledger.sqlite", clock=lambda: self.now)
        self.items: dict[int, Expected] = {}
        self.cancelled: set[str] = set()

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    @rule(count=st.integers(0, 5), collection=st.sampled_from(["holidays", "work"]))
    def submit(self, count: int, collection: str) -> None:
        job = self.ledger.submit(collection, [NewItem("dog.jpg", Path("/dog.jpg"))] * count)
        self.items |= {item.number: Expected(job.id) for item in self.ledger.items(job.id)}

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted({item.job for item in self.items.values()})))
        self.ledger.cancel(job)
        self.cancelled.add(job)
        for item in self.items.values():
            if item.job == job and item.state is QUEUED:
                item.state = CANCELLED

    @rule(worker=WORKERS, limit=st.integers(1, 4))
    def lease(self, worker: str, limit: int) -> None:
        for item in self.held():
            if item.until <= self.now:
                item.lost += 1
                self.give_back(item)
        held = self.held(worker)
        leased = self.ledger.lease(worker, limit=limit, seconds=60)
        self.check_lease(leased, held, limit)
        for one in leased:
            item = self.items[one.number]
            item.state, item.worker, item.until = RUNNING, worker, self.now + 60

    def check_lease(self, leased: list[Leased], held: list[Expected], limit: int) -> None:
        chosen = [self.items[one.number] for one in leased]
        assert all(item.state is QUEUED for item in chosen) and len(chosen) <= limit
        assert len({one.collection for one in leased}) <= 1
        assert not any(item.lost for item in held) or not chosen
        if any(item.lost for item in chosen):
            assert len({item.lost for item in chosen}) == 1 and not held
            assert len(chosen) <= SUSPECTS_AT_ONCE[chosen[0].lost]
        queued = [item for item in self.items.values() if item.state is QUEUED]
        if queued and not held:
            assert chosen

    @rule(worker=WORKERS, seconds=st.sampled_from([30, 90]))
    def heartbeat(self, worker: str, seconds: float) -> None:
        assert self.ledger.heartbeat(worker, seconds=seconds) == len(self.held(worker))
        for item in self.held(worker):
            item.until = self.now + seconds

    @precondition(lambda self: self.items)
    @rule(worker=WORKERS, data=st.data(), state=st.sampled_from([ItemState.INDEXED, ItemState.DUPLICATE, FAILED]))
    def finish(self, worker: str, data: st.DataObject, state: ItemState) -> None:
        numbers = data.draw(st.lists(st.sampled_from(sorted(self.items)), unique=True))
        accepted = [number for number in numbers if self.items[number] in self.held(worker)]
        assert self.ledger.finish(worker, [Outcome(number, state) for number in numbers]) == accepted
        for number in accepted:
            self.items[number].state = state

    @rule(worker=WORKERS)
    def release(self, worker: str) -> None:
        held = self.held(worker)
        assert self.ledger.release(worker) == len(held)
        for item in held:
            self.give_back(item)

    @rule(seconds=st.sampled_from([1, 40, 70]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def agree(self) -> None:
        assert self.ledger.unfinished() == sum(item.state in (QUEUED, RUNNING) for item in self.items.values())
        for job in self.ledger.list_jobs():
            states = [item.state for item in self.items.values() if item.job == job.id]
            assert [item.state for item in self.ledger.items(job.id)] == states
            assert asdict(job.counts) == {str(state): states.count(state) for state in ItemState}
            assert (job.finished_at is None) == any(state in (QUEUED, RUNNING) for state in states)

    def held(self, worker: str = "") -> list[Expected]:
        return [item for item in self.items.values() if item.state is RUNNING and worker in ("", item.worker)]

    def give_back(self, item: Expected) -> None:
        if item.lost >= MAX_LOST_LEASES:
            item.state = FAILED
        else:
            item.state = CANCELLED if item.job in self.cancelled else QUEUED


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
