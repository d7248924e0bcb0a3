"""The SQLite file: how it is opened, and what goes wrong with it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indexer.ledger.database import Database
from indexer.ledger.errors import DamagedLedger, DiskFull, NewerSchema

ADD_JOB = "INSERT INTO jobs (id, collection, created_at, turn) VALUES (hex(randomblob(400)), 'holidays', 0, 0)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path)) as database:
        yield database


def count_jobs(database: Database) -> int:
    with database.reading() as db:
        (count,) = db.execute("SELECT count(*) FROM jobs").fetchone()
        return int(count)


def test_every_connection_syncs_every_commit(database: Database) -> None:
    with database.reading() as one, database.reading() as other, database.own_connection() as own:
        for db in (one, other, own):
            assert db.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
            assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_what_breaks_off_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as db:
        db.execute(ADD_JOB)
        _ = 1 / 0
    assert count_jobs(database) == 0


def test_a_reader_sees_one_state_and_waits_for_no_writer(database: Database) -> None:
    with database.reading() as reader:
        assert reader.execute("SELECT count(*) FROM jobs").fetchone()[0] == 0
        with database.writing() as db:
            db.execute(ADD_JOB)
        assert reader.execute("SELECT count(*) FROM jobs").fetchone()[0] == 0
    assert count_jobs(database) == 1


def test_writers_in_many_threads_take_their_turns(database: Database) -> None:
    def write() -> None:
        for _ in range(10):
            with database.writing() as db:
                db.execute(ADD_JOB)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count_jobs(database) == 80


def test_a_new_ledger_may_be_opened_by_many_at_once(path: Path) -> None:
    databases: list[Database] = []
    threads = [threading.Thread(target=lambda: databases.append(Database(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [count_jobs(database) for database in databases] == [0] * 8
    for database in databases:
        database.close()


def test_a_newer_schema_is_refused(path: Path) -> None:
    Database(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerSchema, match=r"schema 99.* knows 1"):
        Database(path)


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a text of more than a hundred letters, which is no database " * 20)
    before = path.read_bytes()
    with pytest.raises(DamagedLedger, match=r"notes\.txt"):
        Database(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_an_error_and_no_wrong_answer(path: Path) -> None:
    with closing(Database(path)) as database, database.writing() as db:
        db.executemany(ADD_JOB, [()] * 100)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(DamagedLedger), closing(Database(path)) as database:
        count_jobs(database)


def test_a_full_disk_is_told_of_and_harms_nothing(database: Database) -> None:
    with database.writing() as db:
        db.execute(ADD_JOB)
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(DiskFull, match="no room"), database.writing() as db:
        db.executemany(ADD_JOB, [()] * 100)
    assert count_jobs(database) == 1
    with database.writing() as db:
        db.execute("PRAGMA max_page_count = 1000000")
        db.execute(ADD_JOB)
    assert count_jobs(database) == 2
