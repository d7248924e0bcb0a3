"""Items are lent to workers for a time; what a silent worker held is lent anew, and what kills its workers is put away.

An item over which a worker fell silent is a suspect. Suspects are lent to a worker that holds nothing else: a few
together at first, for most are innocent and the rest of a batch should not wait for long; then one by one, so that the
last time an item takes no other with it.
"""

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.ledger.cancellation import cancel_queued
from indexer.ledger.items import ItemState, storable

MAX_LOST_LEASES = 3
SUSPECTS_AT_ONCE = {1: 16, 2: 1}  # by the number of leases they have lost
WORKER_CRASHED = "worker_crashed"

_WAITING = "finished_at IS NULL AND queued > 0"
_QUEUED = """
    SELECT items.*, jobs.id, jobs.collection FROM items INDEXED BY {index} JOIN jobs USING (job)
    WHERE items.job = ? AND items.state = 'queued' AND items.lost_leases {lost}
"""
_FRESH = _QUEUED.format(index="items_by_state", lost="= 0")
_SUSPECTS = _QUEUED.format(index="suspects", lost="> 0 AND items.lost_leases = ?")
_MOST_LOST = "SELECT max(lost_leases) FROM items WHERE job = ? AND state = 'queued' AND lost_leases > 0"


@dataclass(frozen=True, slots=True)
class Leased:
    number: int
    job: str
    collection: str
    name: str
    path: Path
    spooled: bool
    image_id: str | None
    metadata: dict[str, Any]
    tries: int  # this one included

    @property
    def key(self) -> str:
        """Names the item in all the world, for the records of an index that outlives this ledger."""
        return f"{self.job}/{self.number}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item ended: indexed, duplicate or failed; a failed one has a code and a detail."""

    number: int
    state: ItemState
    image_id: str | None = None
    code: str | None = None
    detail: str | None = None


def lease(db: sqlite3.Connection, worker: str, *, limit: int, until: float, now: float) -> list[Leased]:
    _take_back_expired(db, now=now)
    rows = _choose(db, worker, limit=limit)
    db.executemany(
        "UPDATE items SET state = 'running', worker = ?, lease_until = ? WHERE item = ?",
        [(worker, until, row["item"]) for row in rows],
    )
    db.executemany(
        "UPDATE jobs SET turn = ?, started_at = coalesce(started_at, ?) WHERE id = ?",
        [(now, now, job_id) for job_id in {row["id"] for row in rows}],
    )
    return [_leased(row) for row in rows]


def heartbeat(db: sqlite3.Connection, worker: str, *, until: float) -> int:
    return db.execute(
        "UPDATE items SET lease_until = ? WHERE state = 'running' AND worker = ?", (until, worker)
    ).rowcount


def finish(db: sqlite3.Connection, worker: str, outcomes: Iterable[Outcome], *, now: float) -> list[int]:
    accepted = []
    for outcome in outcomes:
        assert outcome.state in (ItemState.INDEXED, ItemState.DUPLICATE, ItemState.FAILED)
        detail = None if outcome.detail is None else storable(outcome.detail)
        finished = db.execute(
            """
            UPDATE items SET state = ?, image_id = coalesce(?, image_id), code = ?, detail = ?, finished_at = ?
            WHERE item = ? AND state = 'running' AND worker = ?
            """,
            (outcome.state, outcome.image_id, outcome.code, detail, now, outcome.number, worker),
        )
        if finished.rowcount:
            accepted.append(outcome.number)
    return accepted


def release(db: sqlite3.Connection, worker: str, *, now: float) -> int:
    released = db.execute(
        "UPDATE items SET state = 'queued', worker = NULL, lease_until = NULL WHERE state = 'running' AND worker = ?",
        (worker,),
    ).rowcount
    cancel_queued(db, now=now)
    return released


def is_work_waiting(db: sqlite3.Connection, *, now: float) -> bool:
    row = db.execute(
        f"""
        SELECT EXISTS (SELECT 1 FROM jobs WHERE {_WAITING})
            OR EXISTS (SELECT 1 FROM items WHERE state = 'running' AND lease_until <= ?)
        """,
        (now,),
    ).fetchone()
    return bool(row[0])


def _take_back_expired(db: sqlite3.Connection, *, now: float) -> None:
    detail = f"{MAX_LOST_LEASES} workers fell silent over it"
    db.execute(
        """
        UPDATE items SET state = 'failed', lost_leases = lost_leases + 1, code = ?, detail = ?, finished_at = ?
        WHERE state = 'running' AND lease_until <= ? AND lost_leases + 1 >= ?
        """,
        (WORKER_CRASHED, detail, now, now, MAX_LOST_LEASES),
    )
    db.execute(
        """
        UPDATE items SET state = 'queued', lost_leases = lost_leases + 1, worker = NULL, lease_until = NULL
        WHERE state = 'running' AND lease_until <= ?
        """,
        (now,),
    )
    cancel_queued(db, now=now)


def _choose(db: sqlite3.Connection, worker: str, *, limit: int) -> list[sqlite3.Row]:
    held, most_lost = db.execute(
        "SELECT count(*), max(lost_leases) FROM items WHERE state = 'running' AND worker = ?", (worker,)
    ).fetchone()
    turn = db.execute(f"SELECT job, collection FROM jobs WHERE {_WAITING} ORDER BY turn, job").fetchone()
    if turn is None or most_lost:
        return []
    (lost,) = db.execute(_MOST_LOST, (turn["job"],)).fetchone()
    if lost:
        together = 0 if held else min(limit, SUSPECTS_AT_ONCE[lost])
        return db.execute(f"{_SUSPECTS} ORDER BY item LIMIT ?", (turn["job"], lost, together)).fetchall()
    chosen: list[sqlite3.Row] = []
    for (job,) in db.execute(
        f"SELECT job FROM jobs WHERE {_WAITING} AND collection = ? ORDER BY turn, job", (turn["collection"],)
    ):
        chosen += db.execute(f"{_FRESH} ORDER BY item LIMIT ?", (job, limit - len(chosen)))
        if len(chosen) == limit:
            break
    return chosen


def _leased(row: sqlite3.Row) -> Leased:
    return Leased(
        number=row["item"],
        job=row["id"],
        collection=row["collection"],
        name=row["name"],
        path=Path(os.fsdecode(row["path"])),
        spooled=bool(row["spooled"]),
        image_id=row["image_id"],
        metadata=json.loads(row["metadata"]),
        tries=row["lost_leases"] + 1,
    )
