"""A job comes in whole or not at all, and comes in once."""

import sqlite3
from collections.abc import Iterable

from indexer.ledger.database import Database, transaction
from indexer.ledger.errors import IdempotencyKeyReused
from indexer.ledger.items import NewItem, RefusedItem, to_row
from indexer.ledger.job_id import new_job_id

KEY_LIFETIME_S = 24 * 3600.0


def submit(
    database: Database,
    collection: str,
    items: Iterable[NewItem | RefusedItem],
    *,
    idempotency_key: str | None,
    request_digest: str | None,
    now: float,
) -> str:
    """The id of the new job, or of the one that the same key and digest made before."""
    with database.own_connection() as db:
        _stage(db, items)
        with database.write_transaction(db):
            earlier = _submitted_before(db, idempotency_key, request_digest, now=now)
            return earlier or _insert(db, collection, idempotency_key, request_digest, now=now)


def _stage(db: sqlite3.Connection, items: Iterable[NewItem | RefusedItem]) -> None:
    """Gather the items outside the ledger: while they come, slowly perhaps, nobody must wait for its lock."""
    db.execute("CREATE TEMP TABLE staged (name, path, spooled, image_id, metadata, state, code, detail)")
    with transaction(db, "BEGIN"):
        db.executemany("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(to_row, items))


def _submitted_before(db: sqlite3.Connection, key: str | None, digest: str | None, *, now: float) -> str | None:
    if key is None:
        return None
    db.execute(
        "UPDATE jobs SET idempotency_key = NULL WHERE idempotency_key = ? AND created_at <= ?",
        (key, now - KEY_LIFETIME_S),
    )
    row = db.execute("SELECT id, request_digest FROM jobs WHERE idempotency_key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row["request_digest"] != digest:
        raise IdempotencyKeyReused(
            f"the key {key!r} came with another request and made job {row['id']}: send a new key with a new request"
        )
    return str(row["id"])


def _insert(
    db: sqlite3.Connection, collection: str, idempotency_key: str | None, request_digest: str | None, *, now: float
) -> str:
    job_id = new_job_id(now)
    job = db.execute(
        """
        INSERT INTO jobs (id, collection, created_at, turn, idempotency_key, request_digest)
        VALUES (?, ?, ?, ?, ?, ?)
        """,
        (job_id, collection, now, now, idempotency_key, request_digest),
    ).lastrowid
    db.execute(
        """
        INSERT INTO items (job, name, path, spooled, image_id, metadata, state, code, detail, finished_at)
        SELECT :job, name, path, spooled, image_id, metadata, state, code, detail, iif(state = 'failed', :now, NULL)
        FROM staged ORDER BY staged.rowid
        """,
        {"job": job, "now": now},
    )
    db.execute("UPDATE jobs SET finished_at = ? WHERE job = ? AND queued = 0", (now, job))
    return job_id
