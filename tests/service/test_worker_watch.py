"""A worker beside the service: started again when it dies, ended with the service, however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path

from indexer.ledger.items import NewItem
from indexer.ledger.ledger import LEDGER_FILE, Ledger
from indexer.ledger.spool import UPLOADS, Spool
from service import worker_watch
from service.worker_watch import WorkerWatch, worker_command
from tests.photographs import jpeg

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
# As quick to start as nothing else, and like the worker it ends with its standard input.
UNTIL_END_OF_INPUT = [sys.executable, "-S", "-c", "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"]
WATCHER = """
import sys, time
from service.worker_watch import WorkerWatch
with WorkerWatch(sys.argv[1:]) as watch:
    time.sleep(60)
"""


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_worker_that_was_killed_is_started_again(caplog):
    with WorkerWatch(UNTIL_END_OF_INPUT) as watch:
        wait_until(watch.runs)
        first = watch._child
        first.kill()
        wait_until(lambda: watch._child is not first and watch.runs())
        second = watch._child
    assert first.returncode == -signal.SIGKILL and second.returncode == 0 and not watch.runs()
    assert "ended with status -9" in caplog.text


def test_a_worker_that_cannot_live_is_started_ever_more_rarely(caplog, monkeypatch):
    monkeypatch.setattr(worker_watch, "FIRST_PAUSE_S", 0.1)
    with WorkerWatch([sys.executable, "-S", "-c", "raise SystemExit(3)"]) as watch:
        wait_until(lambda: caplog.text.count("status 3") >= 3)
    assert "again in 0.1 s" in caplog.text and "again in 0.4 s" in caplog.text and not watch.runs()


def test_a_watch_that_ends_at_any_moment_leaves_no_worker_behind():
    for pause in (0.0, 0.001, 0.01):
        with WorkerWatch(UNTIL_END_OF_INPUT) as watch:
            time.sleep(pause)
        assert not watch.runs() and not watch._thread.is_alive()


def test_a_worker_ends_when_its_watcher_is_killed():
    watcher = subprocess.Popen(
        [sys.executable, "-c", WATCHER, *UNTIL_END_OF_INPUT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with watcher:
        assert watcher.stdout is not None
        worker = int(watcher.stdout.readline())
        assert is_alive(worker)
        watcher.kill()
        wait_until(lambda: not is_alive(worker))


def test_real_workers_end_within_seconds_of_sigterm_or_of_the_end_of_their_input(tmp_path, tiny_checkpoint):
    command = worker_command("--data", str(tmp_path), "--model", str(tiny_checkpoint), "--device", "cpu")
    with closing(Ledger(tmp_path / LEDGER_FILE)) as ledger:
        spool = Spool(tmp_path / UPLOADS)
        job = ledger.submit("default", [upload(spool, number) for number in range(600)])
        with start(command) as one, start(command) as other:
            wait_until(lambda: ledger.job(job.id).counts.running > 256)  # both are at it
            began = time.monotonic()
            one.terminate()
            other.stdin.close()
            assert (one.wait(PATIENCE_S), other.wait(PATIENCE_S)) == (0, 0) and time.monotonic() - began < 15
        counts = ledger.job(job.id).counts
        assert counts.running == 0 and counts.queued + counts.indexed == 600


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)


def upload(spool: Spool, number: int) -> NewItem:
    return NewItem(f"{number}.jpg", spool.write(BytesIO(jpeg(number)), limit=2**20).path, spooled=True)
