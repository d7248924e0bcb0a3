"""An indexing worker as a child process, started again when it dies: no decoder and no batch can hurt a query."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
LONG_LIFE_S: Final = 60.0  # after a life as long as this the next start is quick again
END_S: Final = 15.0


class WorkerWatch:
    """A context manager. The child ends by itself when its standard input closes, so it never outlives this process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._starting = threading.Lock()  # none is started behind the back of the one who stops
        self._thread = threading.Thread(target=self._watch, name="worker watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._starting:
            self._stopping.set()
        child = self._child
        if child is not None and child.stdin is not None:
            child.stdin.close()
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                child.kill()  # what it held is lent to another when the lease runs out
        self._thread.join()

    def runs(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _watch(self) -> None:
        pause = FIRST_PAUSE_S
        while (child := self._start()) is not None:
            began = time.monotonic()
            with child:
                child.wait()
            if time.monotonic() - began > LONG_LIFE_S:
                pause = FIRST_PAUSE_S
            if not self._stopping.is_set():
                logger.error("the worker ended with status %s: started again in %s s", child.returncode, pause)
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _start(self) -> subprocess.Popen[bytes] | None:
        with self._starting:
            if self._stopping.is_set():
                return None
            self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE)
            return self._child


def worker_command(*arguments: str) -> list[str]:
    """-P: the folder that the service was started in may hold modules of the same names."""
    return [sys.executable, "-P", "-m", "teran", "worker", "--watched", *arguments]
