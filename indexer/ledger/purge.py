"""Jobs that have been finished for long are forgotten."""

from indexer.ledger.database import Database

ITEMS_AT_ONCE = 10_000  # so that nobody waits long for the lock


def purge(database: Database, *, finished_before: float) -> int:
    """The number of jobs forgotten."""
    with database.reading() as db:
        jobs = db.execute("SELECT job FROM jobs WHERE finished_at < ?", (finished_before,)).fetchall()
    for (job,) in jobs:
        while _delete_some(database, job):
            pass
        with database.writing() as db:
            db.execute("DELETE FROM jobs WHERE job = ?", (job,))
    return len(jobs)


def _delete_some(database: Database, job: int) -> int:
    with database.writing() as db:
        return db.execute(
            "DELETE FROM items WHERE item IN (SELECT item FROM items WHERE job = ? LIMIT ?)", (job, ITEMS_AT_ONCE)
        ).rowcount
