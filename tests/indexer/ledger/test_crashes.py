"""What was acknowledged outlives kill -9, and every item is finished exactly once."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indexer.ledger.items import NewItem
from indexer.ledger.jobs import JobState
from indexer.ledger.ledger import Ledger

ROOT = Path(__file__).parents[3]
KILLS = 20

WORKER = """
import sys, time, uuid
from pathlib import Path
from indexer.ledger.items import ItemState
from indexer.ledger.leases import Outcome
from indexer.ledger.ledger import Ledger

ledger, name = Ledger(Path(sys.argv[1])), str(uuid.uuid4())
while ledger.unfinished():
    leased = ledger.lease(name, limit=16, seconds=float(sys.argv[2]))
    if leased:
        print(*(item.number for item in leased), flush=True)
        time.sleep(0.01)
        ledger.finish(name, [Outcome(item.number, ItemState.INDEXED) for item in leased])
    else:
        ledger.wait_for_work(0.1)
"""

SUBMITTER = """
import sys
from pathlib import Path
from indexer.ledger.items import NewItem
from indexer.ledger.ledger import Ledger

ledger = Ledger(Path(sys.argv[1]))
while True:
    print(ledger.submit("holidays", [NewItem(f"{n}.jpg", Path(f"/{n}.jpg")) for n in range(20)]).id, flush=True)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    """Start a script in a process of its own, which does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, str(path), *arguments]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def test_twenty_killed_workers_lose_nothing_and_finish_every_item_once(path: Path, start: Start) -> None:
    with closing(Ledger(path)) as ledger:
        job = ledger.submit("holidays", photographs(1500))
        count_finishes(path)
        workers = [start(WORKER, "0.5"), start(WORKER, "0.5")]
        for kill in range(KILLS):
            time.sleep(random.uniform(0.1, 0.4))
            workers[kill % 2].kill()
            workers[kill % 2] = start(WORKER, "0.5")
        done = ledger.wait_for_job(job.id, 30)
    assert done.counts.unfinished == 0 and done.counts.indexed > 1400
    assert {error.code for error in done.errors_sample} <= {"worker_crashed"}
    assert read(path, "SELECT count(*), count(DISTINCT item) FROM finished") == [(1500, 1500)]
    assert read(path, "PRAGMA integrity_check") == [("ok",)]


def test_two_processes_are_never_lent_the_same_item(path: Path, start: Start) -> None:
    with closing(Ledger(path)) as ledger:
        job = ledger.submit("holidays", photographs(800))
        workers = [start(WORKER, "60"), start(WORKER, "60")]
        leased = [[int(number) for number in worker.communicate()[0].split()] for worker in workers]
        assert ledger.job(job.id).state is JobState.SUCCEEDED
    assert all(leased)
    assert sorted(leased[0] + leased[1]) == sorted(number for (number,) in read(path, "SELECT item FROM items"))


def test_jobs_that_were_acknowledged_before_the_kill_are_there_whole(path: Path, start: Start) -> None:
    submitter = start(SUBMITTER)
    time.sleep(0.6)
    submitter.send_signal(signal.SIGKILL)
    acknowledged = submitter.communicate()[0].splitlines()
    with closing(Ledger(path)) as ledger:
        assert len(acknowledged) > 3
        assert {ledger.job(job_id).counts.queued for job_id in acknowledged} == {20}
        assert {job.counts.queued for job in ledger.list_jobs(limit=10_000)} == {20}


def photographs(count: int) -> list[NewItem]:
    return [NewItem(f"{n}.jpg", Path(f"/photographs/{n}.jpg")) for n in range(count)]


def count_finishes(path: Path) -> None:
    """Let SQLite itself write down every finish, whoever makes it."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            """
            CREATE TABLE finished (item INTEGER);
            CREATE TRIGGER finish AFTER UPDATE OF state ON items WHEN new.state NOT IN ('queued', 'running')
            BEGIN INSERT INTO finished VALUES (new.item); END;
            """
        )


def read(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()
