"""The finished parts of a running service, as its routes find them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request

from indexer.index.manifest import EncoderIdentity
from indexer.ledger.ledger import Ledger
from indexer.ledger.spool import Spool
from indexer.ledger.wake_up import WakeUp
from service.health import Health
from service.live_index import LiveIndex
from service.metrics import Metrics
from service.searcher import Searcher
from service.settings import Settings

Given = ParamSpec("Given")
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Parts:
    settings: Settings
    encoder: EncoderIdentity
    searcher: Searcher
    index: LiveIndex
    ledger: Ledger
    spool: Spool
    wake_up: WakeUp | None
    health: Health
    metrics: Metrics
    writing: Executor  # threads for what may wait for locks and disks, so that no search waits with it

    async def write(self, work: Callable[Given, Done], *args: Given.args, **kwargs: Given.kwargs) -> Done:
        return await asyncio.get_running_loop().run_in_executor(self.writing, partial(work, *args, **kwargs))

    @property
    def data(self) -> Path:
        return self.settings.data


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


InParts = Annotated[Parts, Depends(_parts)]
