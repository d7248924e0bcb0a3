"""Many photographs decoded at once, each in a process that may die without harm to the others.

One thread for each process waits for it: the threads keep decoding ahead while the caller computes.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

from indexer.decode import DEFAULT_LIMITS, DecodeLimits
from indexer.decode_process import DecodeProcess, DecodeSettings, Outcome, Source
from model.framing import Framing

Key = TypeVar("Key")


class DecodePool:
    """A context manager; may be used from several threads. Its processes start when they are first needed."""

    def __init__(
        self,
        *,
        processes: int,
        framing: Framing,
        limits: DecodeLimits = DEFAULT_LIMITS,
        timeout_s: float = 10.0,
        memory_limit: int = 2**30,
        in_flight: int = 64,
    ) -> None:
        settings = DecodeSettings(framing, limits, timeout_s, memory_limit)
        self._processes = [DecodeProcess(settings) for _ in range(processes)]
        self._idle: SimpleQueue[DecodeProcess] = SimpleQueue()
        for process in self._processes:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="decode")
        self._in_flight = in_flight

    def __enter__(self) -> "DecodePool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()  # its thread wakes up
        self._threads.shutdown(wait=True)
        for process in self._processes:
            process.end()

    def decode(self, items: Iterable[tuple[Key, Source]]) -> Iterator[tuple[Key, Outcome]]:
        """The outcome of every item, in the order of the items, of which at most `in_flight` are taken ahead."""
        pending: deque[tuple[Key, Future[Outcome]]] = deque()
        try:
            for key, source in items:
                pending.append((key, self._threads.submit(self._decode_one, source)))
                if len(pending) >= self._in_flight:
                    yield _result(*pending.popleft())
            while pending:
                yield _result(*pending.popleft())
        finally:
            for _, future in pending:
                future.cancel()

    def _decode_one(self, source: Source) -> Outcome:
        process = self._idle.get()
        try:
            return process.decode(source)
        finally:
            self._idle.put(process)


def _result(key: Key, future: Future[Outcome]) -> tuple[Key, Outcome]:
    return key, future.result()
