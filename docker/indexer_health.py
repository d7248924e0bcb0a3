"""Says by its status whether the indexer does its work: where items wait, a worker must hold some of them."""

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path


def main(ledger: Path) -> int:
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as db:
        waiting, held = db.execute(
            """
            SELECT EXISTS (SELECT 1 FROM jobs WHERE finished_at IS NULL AND queued + running > 0),
                   EXISTS (SELECT 1 FROM items WHERE state = 'running' AND lease_until > ?)
            """,
            (time.time(),),
        ).fetchone()
    if waiting and not held:
        print("items wait and no worker holds any")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
