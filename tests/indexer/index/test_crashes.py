"""Whatever a writer was doing when it was killed: what it acknowledged holds, and nothing is half done."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from indexer.garbage import collect_garbage
from indexer.index.deletion import delete_images
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import Verification, verify_collection
from tests.indexer.index.tiny import commit_images, folder_in_memory, image_id, live_numbers

ROOT = Path(__file__).parents[3]
KILLS = 8
BEFORE = {1, 2, 4, 5, 6, 7}


class Writers:
    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.indexer.index.crash_child"]
        settings = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.forker = subprocess.Popen(
            command, cwd=ROOT, env=settings, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def start(self, **request: object) -> int:
        assert self.forker.stdin is not None
        self.forker.stdin.write(json.dumps(request, default=str) + "\n")
        return self._number()

    def exit_status(self) -> int:
        return self._number()

    def _number(self) -> int:
        assert self.forker.stdout is not None
        return int(self.forker.stdout.readline())


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    writers = Writers()
    with writers.forker:
        yield writers


@pytest.fixture(scope="module")
def start() -> Iterator[Path]:
    """Eight segments, ready to be merged; 0 and 3 are deleted; some garbage."""
    with folder_in_memory() as folder:
        yield start_in(Path(folder) / "start")


def start_in(collection: Path) -> Path:
    for number in range(8):
        commit_images(collection, [number])
    for number in (0, 3):
        delete_images(collection, [image_id(number)])
    (collection / "segments" / "garbage").mkdir()
    (collection / "segments" / "garbage" / "ids").touch()
    return collection


def test_what_was_acknowledged_outlives_random_kills(tmp_path: Path, writers: Writers) -> None:
    commit_images(tmp_path, [0])
    for _ in range(KILLS):
        writer = writers.start(collection=tmp_path)
        time.sleep(random.uniform(0.02, 0.6))
        os.kill(writer, signal.SIGKILL)
        assert writers.exit_status() == -signal.SIGKILL
        assert_log_holds(tmp_path)
    collect_garbage(tmp_path)
    assert verify_collection(tmp_path) == Verification((), ())


def assert_log_holds(collection: Path) -> None:
    noted: dict[str, set[int]] = {"add": {0}, "added": {0}, "delete": set(), "deleted": set()}
    for line in (collection / "log").read_text().splitlines() if (collection / "log").exists() else []:
        what, *numbers = line.split()
        noted[what] |= {int(number) for number in numbers}
    live = live_numbers(open_snapshot(collection))
    assert len(live) == len(set(live))
    assert noted["added"] - noted["delete"] <= set(live) <= noted["add"] - noted["deleted"]
    assert verify_collection(collection).faults == ()


@pytest.mark.parametrize(
    ("action", "after"),
    [
        ("commit", {0, 1, 2, 4, 5, 6, 7, 100, 101}),
        ("delete", {2, 5, 6, 7}),
        ("merge", BEFORE),
        ("garbage", BEFORE),
    ],
)
def test_an_action_that_dies_at_any_step_is_done_or_not_begun(
    start: Path, writers: Writers, action: str, after: set[int]
) -> None:
    for step in count(1):
        collection = Path(shutil.copytree(start, start.with_name(f"{action}-{step}")))
        writers.start(collection=collection, action=action, step=step)
        status = writers.exit_status()
        assert set(live_numbers(open_snapshot(collection))) in (BEFORE, after)
        assert verify_collection(collection).faults == ()
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert step > 3 and set(live_numbers(open_snapshot(collection))) == after
