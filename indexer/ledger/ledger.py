"""The truth about jobs and items: what was asked for, who works on it, how it ended."""

import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from indexer.ledger import cancellation, leases, purge, submission
from indexer.ledger.database import Database
from indexer.ledger.items import Item, ItemState, NewItem, RefusedItem, read_items, read_unfinished_uploads
from indexer.ledger.jobs import Job, job_row, read_job, read_jobs
from indexer.ledger.leases import Leased, Outcome

LEDGER_FILE = "ledger.sqlite"  # in the data folder
POLL_S = 0.05


class Ledger:
    """One SQLite file, shared by threads and processes; what a method has written is on disk when it returns."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(path)
        self._clock = clock  # seconds since 1970, the same for all processes

    def close(self) -> None:
        self._database.close()

    def submit(
        self,
        collection: str,
        items: Iterable[NewItem | RefusedItem],
        *,
        idempotency_key: str | None = None,
        request_digest: str | None = None,
    ) -> Job:
        """All items or none; they may be many, for they are streamed.

        The same key and digest within a day give the same job; with another digest IdempotencyKeyReused is raised.
        """
        job_id = submission.submit(
            self._database,
            collection,
            items,
            idempotency_key=idempotency_key,
            request_digest=request_digest,
            now=self._clock(),
        )
        return self.job(job_id)

    def cancel(self, job_id: str) -> Job:
        """Queued items are cancelled at once, running ones finish; a finished job stays as it is."""
        with self._database.writing() as db:
            cancellation.cancel(db, job_id, now=self._clock())
            return read_job(db, job_id, now=self._clock())

    def lease(self, worker: str, *, limit: int, seconds: float) -> list[Leased]:
        """Items of one collection to work on; jobs take turns, beginning with the one that waits longest.

        A worker's name is its own: no other process, before or after, has it.
        No items for a worker that holds some means: finish those first.
        """
        with self._database.writing() as db:
            now = self._clock()
            return leases.lease(db, worker, limit=limit, until=now + seconds, now=now)

    def heartbeat(self, worker: str, *, seconds: float) -> int:
        """Prolong all leases of the worker; the number of items that it still holds."""
        with self._database.writing() as db:
            return leases.heartbeat(db, worker, until=self._clock() + seconds)

    def finish(self, worker: str, outcomes: Iterable[Outcome]) -> list[int]:
        """The numbers of the items whose outcome was accepted: those that the worker still held."""
        with self._database.writing() as db:
            return leases.finish(db, worker, outcomes, now=self._clock())

    def release(self, worker: str) -> int:
        """Give back all that the worker holds, as if it had never been lent; the number of items."""
        with self._database.writing() as db:
            return leases.release(db, worker, now=self._clock())

    def job(self, job_id: str) -> Job:
        with self._database.reading() as db:
            return read_job(db, job_id, now=self._clock())

    def items(self, job_id: str, *, state: ItemState | None = None, after: int = 0, limit: int = 100) -> list[Item]:
        """In the order of submission, those behind the number `after`."""
        with self._database.reading() as db:
            job, states = job_row(db, job_id)["job"], [state] if state else list(ItemState)
            return read_items(db, job, states=states, after=after, limit=limit)

    def list_jobs(self, *, before: str | None = None, limit: int = 100) -> list[Job]:
        """The newest first, those older than the id `before`."""
        with self._database.reading() as db:
            return read_jobs(db, before=before, limit=limit, now=self._clock())

    def unfinished(self) -> int:
        """The number of items that are queued or running."""
        with self._database.reading() as db:
            row = db.execute("SELECT total(queued + running) FROM jobs WHERE finished_at IS NULL").fetchone()
            return int(row[0])

    def unfinished_uploads(self) -> set[Path]:
        """The spooled files that are still needed."""
        with self._database.reading() as db:
            return read_unfinished_uploads(db)

    def purge(self, *, older_than: timedelta) -> int:
        """Forget the jobs that were finished longer ago, and their items; the number of jobs."""
        return purge.purge(self._database, finished_before=self._clock() - older_than.total_seconds())

    def wait_for_work(self, timeout: float) -> bool:
        """Whether there is something to lease, now or within the time."""
        deadline = time.monotonic() + timeout
        while not (waiting := self._is_work_waiting()) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return waiting

    def wait_for_job(self, job_id: str, timeout: float) -> Job:
        """The job as it is when it has finished, or when the time is over."""
        deadline = time.monotonic() + timeout
        while (job := self.job(job_id)).finished_at is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return job

    def _is_work_waiting(self) -> bool:
        with self._database.reading() as db:
            return leases.is_work_waiting(db, now=self._clock())
