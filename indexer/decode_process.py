"""A process in which photographs are decoded, seen from both ends: one that is hostile can take down nothing else.

The parent sends a source, waits for the outcome, and so on; when it closes the connection or dies, the child ends.
Outcomes travel as bare bytes: a decoder that was taken over cannot make its parent unpickle anything.

Started anew instead of by `multiprocessing`, which would import the parent's main module, and torch with it.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import AvifImagePlugin, Image

from indexer.decode import Decoded, DecodeLimits, decode, read_photograph
from indexer.errors import DecodeCode, DecodeError, DecoderNotStarted
from model.framing import Framing

Source = Path | bytes
Outcome = Decoded | DecodeError

READY = b"ready"
STANDARD_ERROR = 2


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    framing: Framing
    limits: DecodeLimits
    timeout_s: float
    memory_limit: int  # bytes of address space, of which 120 MiB are taken from the start


@dataclass(frozen=True, slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    connection: Connection


class DecodeProcess:
    """The parent's end. The process starts with the first source, and anew with the source after one it died of."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._child: _Child | None = None
        self._killed = False

    def decode(self, source: Source) -> Outcome:
        """Raises DecoderNotStarted, and nothing that the source could be the cause of."""
        if self._child is None or self._child.process.poll() is not None:
            self.end()
            self._child = _start(self._settings)
            if self._killed:  # by one that did not see this child yet
                self._child.process.kill()
        try:
            self._child.connection.send(source)
            return _receive_outcome(self._child.connection, side=self._settings.framing.side)
        except (EOFError, OSError):
            return self._post_mortem(self.end())

    def kill(self) -> None:
        """For good; may be called from another thread than `decode`, which then returns at once."""
        self._killed = True
        child = self._child
        if child is not None:
            child.process.kill()

    def end(self) -> int | None:
        """Leave neither process nor descriptors behind; the status that the process ended with."""
        if self._child is None:
            return None
        child, self._child = self._child, None
        child.process.kill()
        child.connection.close()
        return child.process.wait()

    def _post_mortem(self, status: int | None) -> DecodeError:
        if status == -signal.SIGALRM:
            return DecodeError(DecodeCode.TIMEOUT, f"decoding takes longer than {self._settings.timeout_s:g} s")
        how = f"by {signal.Signals(-status).name}" if status and status < 0 else f"with status {status}"
        return DecodeError(DecodeCode.CRASHED, f"the decoder ended {how} over this file")


def _start(settings: DecodeSettings) -> _Child:
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve({theirs.fileno()})"],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent
            # A thread for every core would reserve more address space than a decoder has.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        )
    child = _Child(process, ours)
    try:
        ours.send(settings)
        ours.recv_bytes()
    except (EOFError, OSError) as error:
        ours.close()
        raise DecoderNotStarted(
            f"the process that decodes photographs ended with status {process.wait()} before the first of them: "
            "its standard error says why"
        ) from error
    return child


def serve(descriptor: int) -> None:
    """The child's end."""
    with Connection(descriptor) as connection:
        try:
            settings = connection.recv()
            _confine(memory_limit=settings.memory_limit)
            connection.send_bytes(READY)
            while True:
                _serve_one(connection, settings)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the parent has gone


def _serve_one(connection: Connection, settings: DecodeSettings) -> None:
    source = connection.recv()
    # Left to the kernel: the signal also ends a decoder that never comes back to Python.
    signal.setitimer(signal.ITIMER_REAL, settings.timeout_s)
    outcome = _decode(source, settings)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _send_outcome(connection, outcome)


def _confine(*, memory_limit: int) -> None:
    Image.init()  # imports the formats now, not within the time of the first photograph
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the other cores have decoders of their own
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
    # libtiff writes hundreds of lines about one damaged file; a failure to start came before this and was seen.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, STANDARD_ERROR)
    os.close(silence)


def _decode(source: Source, settings: DecodeSettings) -> Outcome:
    try:
        data = read_photograph(source, limits=settings.limits) if isinstance(source, Path) else source
        return decode(data, framing=settings.framing, limits=settings.limits)
    except DecodeError as error:
        return DecodeError(error.code, str(error))  # without the traceback, which would keep the pixels in memory
    except MemoryError:
        limit = f"{settings.memory_limit / 2**20:.0f} MiB"
        return DecodeError(DecodeCode.TOO_LARGE, f"decoding takes more memory than a decoder may use: {limit}")


def _send_outcome(connection: Connection, outcome: Outcome) -> None:
    if isinstance(outcome, DecodeError):
        connection.send_bytes(json.dumps({"code": outcome.code, "message": str(outcome)}).encode())
    else:
        head = {"content": outcome.content, "width": outcome.width, "height": outcome.height}
        connection.send_bytes(json.dumps(head).encode())
        connection.send_bytes(outcome.pixels.tobytes())
        connection.send_bytes(outcome.thumbnail)


def _receive_outcome(connection: Connection, *, side: int) -> Outcome:
    head = json.loads(connection.recv_bytes())
    if "code" in head:
        return DecodeError(DecodeCode(head["code"]), head["message"])
    pixels = np.empty((side, side, 3), dtype=np.uint8)
    connection.recv_bytes_into(pixels.data.cast("B"))
    return Decoded(head["content"], pixels, head["width"], head["height"], thumbnail=connection.recv_bytes())
