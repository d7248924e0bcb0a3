"""A cancelled job keeps what is done and finishes what runs; nothing more of it is begun."""

import sqlite3

from indexer.ledger.jobs import job_row


def cancel(db: sqlite3.Connection, job_id: str, *, now: float) -> None:
    job = job_row(db, job_id)["job"]
    db.execute("UPDATE jobs SET cancel_requested = TRUE WHERE job = ?", (job,))
    cancel_queued(db, now=now)


def cancel_queued(db: sqlite3.Connection, *, now: float) -> None:
    """Also for items that come back to the queue when their job was cancelled meanwhile."""
    db.execute(
        """
        UPDATE items SET state = 'cancelled', finished_at = ?
        WHERE state = 'queued'
        AND job IN (SELECT job FROM jobs WHERE finished_at IS NULL AND cancel_requested AND queued > 0)
        """,
        (now,),
    )
