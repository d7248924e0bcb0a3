"""Whether the service can answer, found out by asking it a question."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from indexer.index.engine import Engine
from indexer.index.errors import IndexFault
from indexer.index.search import search
from model.embeddings import SentenceEmbedding
from service.cache import Cache
from service.live_index import LiveIndex

CANARY: Final = "a dog runs on the grass"
CANARY_LASTS_S: Final = 30.0
DISK_RESERVE: Final = 200 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str


class Health:
    def __init__(
        self,
        encode: Callable[[str], SentenceEmbedding],
        index: LiveIndex,
        engine: Engine,
        *,
        data: Path,
        cache: Cache,
        worker_runs: Callable[[], bool] | None,
    ) -> None:
        """`encode` is the way that the sentences of users take."""
        self._encode = encode
        self._index = index
        self._engine = engine
        self._data = data
        self._cache = cache
        self._worker_runs = worker_runs
        self._answered = 0.0  # when the canary was last heard
        self._canary = Check("canary", "fail", "not asked yet")

    def checks(self) -> list[Check]:
        """Any that fails means: send no traffic here."""
        return [
            self._check_canary(),
            self._check_index(),
            self._check_disk(),
            self._check_worker(),
            self._check_cache(),
        ]

    def _check_canary(self) -> Check:
        if self._canary.state == "ok" and time.monotonic() - self._answered < CANARY_LASTS_S:
            return self._canary
        try:
            sentence = self._encode(CANARY)
            for name in self._index.names():
                with suppress(IndexFault):  # the check of the index tells of it
                    search(self._index.snapshot(name), sentence, limit=1, shortlist_size=16, engine=self._engine)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the answer to the question
            self._canary = Check("canary", "fail", f"{type(error).__name__}: {error}")
        else:
            self._canary = Check("canary", "ok", "a sentence was encoded and searched for")
            self._answered = time.monotonic()
        return self._canary

    def _check_index(self) -> Check:
        faults = self._index.faults()
        if not faults:
            return Check("index", "ok", "every collection is at its latest commit")
        return Check("index", "warn" if self._index.served() else "fail", "; ".join(faults))

    def _check_disk(self) -> Check:
        free = shutil.disk_usage(self._data).free
        return Check("disk", "ok" if free > DISK_RESERVE else "warn", f"{free / 2**30:.1f} GiB free")

    def _check_worker(self) -> Check:
        if self._worker_runs is None:
            return Check("worker", "ok", "runs elsewhere")
        runs = self._worker_runs()
        return Check("worker", "ok" if runs else "warn", "runs" if runs else "is being started again")

    def _check_cache(self) -> Check:
        available = self._cache.available
        return Check("cache", "ok" if available else "warn", "answers" if available else "Redis does not answer")
