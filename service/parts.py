"""The finished parts of a running service, as its routes find them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

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

    @property
    def data(self) -> Path:
        return self.settings.data


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


InParts = Annotated[Parts, Depends(_parts)]
