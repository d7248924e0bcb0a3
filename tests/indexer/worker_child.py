"""Started as a script, forks a worker in a process group of its own for every line that comes in, and tells its id.

What takes seconds, importing and loading, is done once: so a test can kill many of them in little time.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from indexer.pictures import pool_for
from indexer.worker import Worker
from model.checkpoint import load_encoder


def main(data: Path, checkpoint: str) -> None:
    encoder = load_encoder(checkpoint)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leave no zombies
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            with pool_for(encoder, processes=1) as pool, Worker(data, encoder=encoder, pool=pool, lease_s=2) as worker:
                worker.run(stopping=threading.Event(), wake_up=None)
        print(child, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
