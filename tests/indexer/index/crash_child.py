"""A writer that is killed: run as a program, it forks one for every line of its input, so that each starts at once.

A line is JSON: {"collection": ..., "action": ..., "step": ...}. Without a step the writer goes on until it is killed;
with one it kills itself before that step of the action which changes the disk. The answer is the process id, then,
when the writer has ended, its exit status.
"""

import json
import os
import random
import signal
import sys
from itertools import count
from pathlib import Path

from indexer.garbage import collect_garbage
from indexer.index.deletion import delete_images
from indexer.index.snapshot import open_snapshot
from indexer.merge import merge
from tests.indexer.index.tiny import commit_images, image_id, live_numbers

ACTIONS = {
    "commit": lambda collection: commit_images(collection, [0, 100, 101]),
    "delete": lambda collection: delete_images(collection, [image_id(1), image_id(4)]),
    "merge": merge,
    "garbage": collect_garbage,
}
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}


def write_until_killed(collection: Path, *, log: Path, first: int) -> None:
    """Add, delete, merge and collect at random, and note in the log what is begun and what is acknowledged."""
    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    live = live_numbers(open_snapshot(collection))
    for number in count(first, 2):
        os.write(notes, f"add {number} {number + 1}\n".encode())
        commit_images(collection, [number, number + 1])
        os.write(notes, f"added {number} {number + 1}\n".encode())
        live += [number, number + 1]
        if random.random() < 0.6:
            gone = live.pop(random.randrange(len(live)))
            os.write(notes, f"delete {gone}\n".encode())
            delete_images(collection, [image_id(gone)])
            os.write(notes, f"deleted {gone}\n".encode())
        if random.random() < 0.5:
            merge(collection)
        if random.random() < 0.3:
            collect_garbage(collection)


def act_and_die(collection: Path, *, action: str, step: int) -> None:
    done = count(1)

    def die_at_step(event: str, arguments: tuple[object, ...]) -> None:
        opened_to_write = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_CREAT)
        )
        if (event in CHANGES or opened_to_write) and next(done) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die_at_step)
    ACTIONS[action](collection)


def main() -> None:
    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            collection = Path(request["collection"])
            if "step" in request:
                act_and_die(collection, action=request["action"], step=request["step"])
            else:
                write_until_killed(collection, log=collection / "log", first=1000 * (number + 1))
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
