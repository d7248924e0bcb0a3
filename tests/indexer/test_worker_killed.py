"""A worker that is killed again and again in the middle of a job: nothing is lost, and nothing is there twice."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE

import pytest

from indexer.index.layout import collection_path
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.ledger.items import NewItem
from indexer.ledger.jobs import Job, JobState
from indexer.ledger.ledger import LEDGER_FILE, Ledger
from indexer.ledger.spool import UPLOADS, Spool
from tests.photographs import jpeg

ROOT = Path(__file__).parents[2]
PHOTOGRAPHS, KILLS = 40, 6


@pytest.fixture
def workers(tmp_path, tiny_checkpoint) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.indexer.worker_child", str(tmp_path), str(tiny_checkpoint)]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # the threads of torch do not come along when a process forks
    with subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True, env=alone) as process:
        yield process
        process.kill()


def test_a_worker_killed_in_mid_job_loses_nothing_and_duplicates_nothing(tmp_path, workers):
    dice = random.Random(0)
    with closing(Ledger(tmp_path / LEDGER_FILE)) as ledger:
        spool = Spool(tmp_path / UPLOADS)
        job = submit_uploads(ledger, spool)
        for _ in range(KILLS):
            worker, before = start(workers), ledger.job(job.id)
            wait_for_progress(ledger, before)
            time.sleep(dice.uniform(0.0, 0.3))
            spare_last_tries(tmp_path, worker)
            kill(worker)
        worker = start(workers)
        job = ledger.wait_for_job(job.id, timeout=60)
        kill(worker)
        assert job.state is JobState.SUCCEEDED and job.counts.indexed == PHOTOGRAPHS
        assert {item.image_id for item in ledger.items(job.id)} == set(live_ids(tmp_path))
        assert len(live_ids(tmp_path)) == PHOTOGRAPHS
        assert not verify_collection(collection_path(tmp_path, "default")).faults
        spool.sweep(ledger, older_than=timedelta(0))  # of one that was killed between its report and the removal
        assert not list(spool.folder.iterdir())


def submit_uploads(ledger: Ledger, spool: Spool) -> Job:
    items = []
    for number in range(PHOTOGRAPHS):
        source = spool.folder.parent / "upload"
        source.write_bytes(jpeg(number))
        with source.open("rb") as upload:
            file = spool.write(upload, limit=2**20)
        items.append(NewItem(f"{number}.jpg", file.path, spooled=True, image_id=file.image_id))
    spool.sync()
    return ledger.submit("default", items)


def start(workers: subprocess.Popen[str]) -> int:
    assert workers.stdin is not None and workers.stdout is not None
    workers.stdin.write("\n")
    workers.stdin.flush()
    return int(workers.stdout.readline())


def wait_for_progress(ledger: Ledger, before: Job) -> None:
    """Until the job is begun, or an item more is finished."""
    deadline, job = time.monotonic() + 30, before
    while job.finished_at is None and (job.state, job.counts.indexed) == (before.state, before.counts.indexed):
        assert time.monotonic() < deadline, "no worker gets on with the job"
        time.sleep(0.01)
        job = ledger.job(before.id)


def spare_last_tries(data: Path, worker: int) -> None:
    """Halt the worker at a moment at which it holds no item that was lost twice: a third loss would be its end."""
    with closing(sqlite3.connect(data / LEDGER_FILE)) as db:
        while True:
            os.kill(worker, signal.SIGSTOP)
            if not db.execute("SELECT 1 FROM items WHERE state = 'running' AND lost_leases > 1").fetchall():
                return
            os.kill(worker, signal.SIGCONT)
            time.sleep(0.02)


def kill(worker: int) -> None:
    """Its decoders too, which are in sessions of their own."""
    processes = [worker, *children_of(worker)]
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def children_of(parent: int) -> list[int]:
    text = ""
    with suppress(OSError):
        text = "".join(path.read_text() for path in Path(f"/proc/{parent}/task").glob("*/children"))
    return [int(child) for child in text.split()]


def live_ids(data: Path) -> list[str]:
    snapshot = open_snapshot(collection_path(data, "default"))
    return snapshot.ids(snapshot.live_rows)
