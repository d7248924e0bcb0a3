"""A worker: takes items from the ledger, makes them searchable, and reports how each of them ended."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.decode_pool import DecodePool
from indexer.errors import DecoderNotStarted
from indexer.index.errors import Damaged, IndexFault, ModelMismatch, UnknownFormat, WriterBusy
from indexer.index.layout import collection_path, list_collections
from indexer.ledger.errors import DiskFull, LedgerBusy, LedgerError
from indexer.ledger.items import ItemState
from indexer.ledger.leases import Leased, Outcome
from indexer.ledger.ledger import LEDGER_FILE, Ledger
from indexer.ledger.spool import UPLOADS, Spool
from indexer.ledger.wake_up import WakeUp
from indexer.pipeline import Outcome as Settled
from indexer.pipeline import Photograph, index_photographs
from indexer.upkeep import keep_in_shape
from model.encoder import Encoder

logger = logging.getLogger(__name__)

LEASED_AT_ONCE = 256
LEASE_S = 30.0
LOOK_EVERY_S = 1.0
TIDY_EVERY_S = 3600.0
PAUSE_S = 5.0
KEPT_JOBS = timedelta(days=30)
KEPT_UPLOADS = timedelta(hours=1)

PASSING = (DiskFull, LedgerBusy, WriterBusy, DecoderNotStarted, OSError)


class Worker:
    """Works for one data folder; several of them, in as many processes, share the work."""

    def __init__(self, data: Path, *, encoder: Encoder, pool: DecodePool, lease_s: float = LEASE_S) -> None:
        self._data = data
        self._ledger = Ledger(data / LEDGER_FILE)
        self._spool = Spool(data / UPLOADS)
        self._encoder = encoder
        self._pool = pool
        self._lease_s = lease_s
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what is held, unless an item may be to blame for the end."""
        if error is None:
            self._give_back()
        self._ledger.close()

    def run(self, *, stopping: threading.Event, wake_up: WakeUp | None) -> None:
        """Work until told to stop."""
        next_tidy = 0.0
        while not stopping.is_set():
            try:
                if time.monotonic() >= next_tidy:
                    next_tidy = time.monotonic() + TIDY_EVERY_S  # before it is done: what fails must not keep all else
                    self._tidy()
                if not self.work_once(stopping=stopping):
                    self._wait_for_work(wake_up)
            except PASSING as error:  # no photograph is to blame, and all of them can wait
                logger.error("%s: %s; trying again in %.0f s", self._name, error, PAUSE_S)
                self._give_back()
                stopping.wait(PAUSE_S)

    def work_once(self, *, stopping: threading.Event) -> bool:
        """Index one lease of items, or what of it was begun before the stop; whether there were any."""
        items = self._ledger.lease(self._name, limit=LEASED_AT_ONCE, seconds=self._lease_s)
        if not items:
            return False
        collection = collection_path(self._data, items[0].collection)
        with self._heartbeat():
            outcomes = self._index(items, collection, stopping=stopping)
            # What was not accepted is held by another worker by now, and so is its upload.
            finished = set(self._ledger.finish(self._name, outcomes))
            for item in items:
                if item.spooled and item.number in finished:
                    self._spool.remove(item.path)
            self._keep_in_shape(collection)
        logger.info("%s: %d items of %s done", self._name, len(finished), items[0].collection)
        return True

    def _index(self, items: Sequence[Leased], collection: Path, *, stopping: threading.Event) -> list[Outcome]:
        by_key = {item.key: item for item in items}
        photographs = [_photograph(item) for item in items]
        try:
            settled = index_photographs(
                photographs, collection, encoder=self._encoder, pool=self._pool, stopping=stopping.is_set
            )
        except (ModelMismatch, Damaged, UnknownFormat) as error:  # no second try can mend it
            code = "model_mismatch" if isinstance(error, ModelMismatch) else "collection_damaged"
            return [Outcome(item.number, ItemState.FAILED, code=code, detail=str(error)) for item in items]
        return [_reported(by_key[str(one.photograph.item)], one) for one in settled]

    @contextmanager
    def _heartbeat(self) -> Iterator[None]:
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self._lease_s / 3):
                try:
                    self._ledger.heartbeat(self._name, seconds=self._lease_s)
                except LedgerError as error:  # busy, or the disk is full: the next beat may still be in time
                    logger.warning("%s: no heartbeat: %s", self._name, error)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _wait_for_work(self, wake_up: WakeUp | None) -> None:
        if wake_up is not None:
            wake_up.wait(LOOK_EVERY_S)
        else:
            self._ledger.wait_for_work(LOOK_EVERY_S)

    def _give_back(self) -> None:
        with suppress(LedgerError):  # then the lease runs out
            self._ledger.release(self._name)

    def _tidy(self) -> None:
        """Remove what crashes left behind, and what nobody asks for any more."""
        self._ledger.purge(older_than=KEPT_JOBS)
        self._spool.sweep(self._ledger, older_than=KEPT_UPLOADS)
        for name in list_collections(self._data):
            self._keep_in_shape(collection_path(self._data, name))

    def _keep_in_shape(self, collection: Path) -> None:
        try:
            keep_in_shape(collection)
        except (IndexFault, OSError):  # the collection is searched as it is, and new images still come in
            logger.exception("%s could not be merged", collection)


def _photograph(item: Leased) -> Photograph:
    source = "upload" if item.spooled else str(item.path)
    return Photograph(item.path, name=item.name, source=source, item=item.key, metadata=item.metadata)


def _reported(item: Leased, settled: Settled) -> Outcome:
    return Outcome(item.number, ItemState(settled.fate), settled.image_id, code=settled.code, detail=settled.detail)
