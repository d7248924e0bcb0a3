"""Connections to the SQLite file, and the two kinds of transactions on it."""

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.index.durable_files import make_folder
from indexer.ledger.errors import DamagedLedger, DiskFull, LedgerBusy, LedgerError, NewerSchema
from indexer.ledger.schema import SCHEMA, SCHEMA_VERSION

BUSY_TIMEOUT_S = 30.0
LOCK_POLL_S = 0.002
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",  # a commit returns after its fsync
    "foreign_keys = ON",
    "journal_size_limit = 67108864",  # a job of a million items must not leave its log behind
)
BUSY = f"another writer has held it for {BUSY_TIMEOUT_S:.0f} s; try again"
ERRORS: dict[int, tuple[type[LedgerError], str]] = {
    sqlite3.SQLITE_FULL: (DiskFull, "there is no room to write; free some and try again"),
    sqlite3.SQLITE_BUSY: (LedgerBusy, BUSY),
    sqlite3.SQLITE_NOTADB: (DamagedLedger, "this is not a ledger; move it away or name another file"),
    sqlite3.SQLITE_CORRUPT: (DamagedLedger, "the file is damaged; restore it from a copy"),
}


class Database:
    """Safe to share between threads: every transaction has a connection to itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        make_folder(path.parent)
        with translated_errors(path), sole_writer(path):
            self._idle.append(connect(path))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One unchanging view of the ledger, whatever is written meanwhile."""
        with self._pooled_connection() as db, transaction(db, "BEGIN"):
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, one writer at a time, on disk when it ends."""
        with self._pooled_connection() as db, self.write_transaction(db):
            yield db

    @contextmanager
    def write_transaction(self, db: sqlite3.Connection) -> Iterator[None]:
        with sole_writer(self.path), transaction(db, "BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def own_connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that is closed afterwards: its temporary tables go with it."""
        with translated_errors(self.path):
            db = connect(self.path)
            try:
                yield db
            finally:
                db.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _pooled_connection(self) -> Iterator[sqlite3.Connection]:
        with translated_errors(self.path):
            try:
                db = self._idle.pop()
            except IndexError:
                db = connect(self.path)
            try:
                yield db
            finally:
                self._idle.append(db)


def connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        for pragma in PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    try:
        db.execute(begin)
        yield
        db.execute("COMMIT")
    except BaseException:
        db.rollback()  # does nothing where SQLite has rolled back by itself
        raise


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Keep writers apart, checkpoints included, by a lock on a file beside the ledger.

    SQLite's own lock is free again when the checkpoint of a commit begins, and versions before 3.51.3 can lose pages
    when checkpoints and a commit meet (https://sqlite.org/wal.html, "The WAL-Reset Bug"). Nor does SQLite wait for
    another process that turns the same new file to WAL.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    with path.with_name(f"{path.name}.lock").open("ab") as lock:
        while not _try_lock(lock.fileno()):
            if time.monotonic() > deadline:
                raise LedgerBusy(f"{path}: {BUSY}")
            time.sleep(LOCK_POLL_S)
        yield


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = vars(error).get("sqlite_errorcode", 0) & 0xFF  # misuse of the Python module has none
        if not code:
            raise
        kind, advice = ERRORS.get(code, (LedgerError, str(error)))
        raise kind(f"{path}: {advice}") from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path} has schema {version}, this release knows {SCHEMA_VERSION}: run the release that wrote it"
        )
    if version < SCHEMA_VERSION:
        db.executescript(SCHEMA)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
