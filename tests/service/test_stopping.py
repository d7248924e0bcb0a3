"""How a process is asked to stop: politely once, and at once the second time."""

import signal
import subprocess
import sys

PROGRAM = """
import time
from service.stopping import stop_on_signal
stopping = stop_on_signal(watched=False, told="it stops soon")
print("ready", flush=True)
stopping.wait()
print("asked", flush=True)
time.sleep(60)
"""


def test_a_second_interrupt_ends_what_takes_too_long_to_stop() -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], text=True, **pipes) as program:
        assert program.stdout is not None
        for line in ("ready\n", "asked\n"):
            assert program.stdout.readline() == line
            program.send_signal(signal.SIGINT)
        _, told = program.communicate(timeout=30)
    assert program.returncode == -signal.SIGINT and told == "it stops soon"
