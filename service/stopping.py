"""How a process is asked to stop in good order."""

import os
import signal
import sys
import threading


def stop_on_signal(*, watched: bool) -> threading.Event:
    """Set by SIGTERM and Ctrl-C; when watched, also by the end of standard input, which is the end of the watcher."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if watched:
        threading.Thread(target=_set_at_end_of_input, args=(stopping,), daemon=True).start()
    return stopping


def _set_at_end_of_input(stopping: threading.Event) -> None:
    # Not through sys.stdin: a thread that waits in it aborts the interpreter at its end.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopping.set()
