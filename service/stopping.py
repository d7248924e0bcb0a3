"""How a process is asked to stop in good order."""

import os
import signal
import sys
import threading
from types import FrameType


def stop_on_signal(*, watched: bool, told: str = "") -> threading.Event:
    """Set by SIGTERM and Ctrl-C. Where `told` is then said, the same a second time ends the process at once.

    When watched, it is also set by the end of standard input, which is the end of the watcher.
    """
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.set()
        if told:
            signal.signal(number, signal.SIG_DFL)
            os.write(sys.stderr.fileno(), told.encode())

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if watched:
        threading.Thread(target=_set_at_end_of_input, args=(stopping,), daemon=True).start()
    return stopping


def _set_at_end_of_input(stopping: threading.Event) -> None:
    # Not through sys.stdin: a thread that waits in it aborts the interpreter at its end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopping.set()
