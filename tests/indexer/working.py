"""A worker that works in a thread while a test goes on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from indexer.decode_pool import DecodePool
from indexer.ledger.wake_up import WakeUp
from indexer.worker import Worker
from model.encoder import Encoder


@contextmanager
def working(data: Path, encoder: Encoder, pool: DecodePool, *, wake_up: WakeUp | None = None) -> Iterator[Event]:
    """Until the end of the context, or of the event."""
    stopping = Event()

    def work() -> None:
        with Worker(data, encoder=encoder, pool=pool) as worker:
            worker.run(stopping=stopping, wake_up=wake_up)

    with ThreadPoolExecutor(1, thread_name_prefix="worker") as threads:
        work_done = threads.submit(work)
        try:
            yield stopping
        finally:
            stopping.set()
            work_done.result()
