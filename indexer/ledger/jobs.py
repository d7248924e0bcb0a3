"""A job as it is told to the user; its state follows from the states of its items."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from indexer.ledger.errors import UnknownJob
from indexer.ledger.items import ItemState, read_items

RATE_WINDOW_S = 60.0
ERRORS_SHOWN = 10


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"  # what runs is finished first
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"  # some items failed
    FAILED = "failed"  # all items failed
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Counts:
    queued: int
    running: int
    indexed: int
    duplicate: int
    failed: int
    cancelled: int

    @property
    def unfinished(self) -> int:
        return self.queued + self.running

    @property
    def received(self) -> int:
        return self.unfinished + self.indexed + self.duplicate + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class ItemError:
    item: str  # its name
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    collection: str
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    counts: Counts
    rate_per_s: float  # over the last minute of its work
    eta_s: float | None
    errors_sample: tuple[ItemError, ...]


def read_job(db: sqlite3.Connection, job_id: str, *, now: float) -> Job:
    return _job(db, job_row(db, job_id), now=now)


def read_jobs(db: sqlite3.Connection, *, before: str | None, limit: int, now: float) -> list[Job]:
    rows = db.execute(
        "SELECT * FROM jobs WHERE :before IS NULL OR id < :before ORDER BY id DESC LIMIT :limit",
        {"before": before, "limit": limit},
    ).fetchall()
    return [_job(db, row, now=now) for row in rows]


def job_row(db: sqlite3.Connection, job_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise UnknownJob(f"there is no job {job_id!r}: it was never accepted, or was purged after it had finished")
    return row


def state_of(counts: Counts, *, started: bool, cancel_requested: bool) -> JobState:
    if counts.unfinished:
        if cancel_requested:
            return JobState.CANCELLING
        return JobState.RUNNING if started else JobState.QUEUED
    if counts.cancelled:
        return JobState.CANCELLED
    if not counts.failed:
        return JobState.SUCCEEDED
    return JobState.FAILED if counts.failed == counts.received else JobState.PARTIAL


def _job(db: sqlite3.Connection, row: sqlite3.Row, *, now: float) -> Job:
    counts = Counts(row["queued"], row["running"], row["indexed"], row["duplicate"], row["failed"], row["cancelled"])
    rate = _rate(db, row, now=now)
    failed = read_items(db, row["job"], states=[ItemState.FAILED], after=0, limit=ERRORS_SHOWN)
    return Job(
        id=row["id"],
        collection=row["collection"],
        state=state_of(counts, started=row["started_at"] is not None, cancel_requested=bool(row["cancel_requested"])),
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        finished_at=None if row["finished_at"] is None else datetime.fromtimestamp(row["finished_at"], UTC),
        counts=counts,
        rate_per_s=rate,
        eta_s=counts.unfinished / rate if rate and counts.unfinished else None,
        errors_sample=tuple(ItemError(item.name, item.code or "", item.detail or "") for item in failed),
    )


def _rate(db: sqlite3.Connection, row: sqlite3.Row, *, now: float) -> float:
    """Items finished by workers in a second."""
    if row["started_at"] is None:
        return 0.0
    until = row["finished_at"] or now
    since = max(row["started_at"], until - RATE_WINDOW_S)
    (finished,) = db.execute(
        """
        SELECT count(*) FROM items
        WHERE job = ? AND finished_at > ? AND state IN ('indexed', 'duplicate', 'failed')
        """,
        (row["job"], since),
    ).fetchone()
    return float(finished / max(until - since, 1.0))  # the first second tells too little
