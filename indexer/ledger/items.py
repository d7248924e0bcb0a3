"""An item is one photograph of a job: what comes in, what is kept, what is shown."""

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter
from pathlib import Path
from typing import Any


class ItemState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    INDEXED = "indexed"
    DUPLICATE = "duplicate"  # the same bytes are in the index already
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class NewItem:
    """A photograph to be indexed."""

    name: str  # as shown to the user
    path: Path  # absolute
    spooled: bool = False  # the file is ours, to be removed when the item is finished
    image_id: str | None = None  # where it is known already
    metadata: dict[str, Any] = field(default_factory=dict)  # JSON


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """A photograph that failed before it came here: it is only told of."""

    name: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Item:
    number: int  # rises in the order of submission
    name: str
    state: ItemState
    image_id: str | None
    code: str | None  # of a failed one, and what happened
    detail: str | None


def to_row(item: NewItem | RefusedItem) -> tuple[object, ...]:
    """Name, path, spooled, image_id, metadata, state, code, detail."""
    if isinstance(item, RefusedItem):
        return storable(item.name), None, False, None, "{}", ItemState.FAILED, item.code, storable(item.detail)
    metadata = json.dumps(item.metadata)
    path = os.fsencode(item.path)
    return storable(item.name), path, item.spooled, item.image_id, metadata, ItemState.QUEUED, None, None


def storable(text: str) -> str:
    """SQLite refuses the lone surrogates by which Python shows file names that are not text."""
    return text.encode(errors="replace").decode()


def read_items(db: sqlite3.Connection, job: int, *, states: Iterable[ItemState], after: int, limit: int) -> list[Item]:
    """The first items behind the number `after`."""
    rows: list[sqlite3.Row] = []
    for state in states:  # one by one, for within a state the index has them in order
        rows += db.execute(
            """
            SELECT item, name, state, image_id, code, detail FROM items
            WHERE job = ? AND state = ? AND item > ? ORDER BY item LIMIT ?
            """,
            (job, state, after, limit),
        )
    rows.sort(key=itemgetter("item"))
    return [
        Item(row["item"], row["name"], ItemState(row["state"]), row["image_id"], row["code"], row["detail"])
        for row in rows[:limit]
    ]


def read_unfinished_uploads(db: sqlite3.Connection) -> set[Path]:
    rows = db.execute(
        """
        SELECT path FROM jobs CROSS JOIN items USING (job)
        WHERE jobs.finished_at IS NULL AND items.state IN ('queued', 'running') AND spooled
        """
    )
    return {Path(os.fsdecode(row["path"])) for row in rows}
