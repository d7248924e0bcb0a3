"""Uploaded bytes on their way to the index."""

import io
import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from blake3 import blake3

from indexer.index.records import content_id
from indexer.ledger.errors import UploadTooLarge
from indexer.ledger.items import ItemState, NewItem
from indexer.ledger.leases import Outcome
from indexer.ledger.ledger import Ledger
from indexer.ledger.spool import BLOCK, Spool, SpooledFile

HOUR = timedelta(hours=1)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "data" / "spool")


def write(spool: Spool, content: bytes = b"dog", *, age: timedelta = timedelta()) -> SpooledFile:
    spooled = spool.write(io.BytesIO(content), limit=10 * BLOCK)
    modified = spooled.path.stat().st_mtime - age.total_seconds()
    os.utime(spooled.path, (modified, modified))
    return spooled


def submit(ledger: Ledger, *files: SpooledFile) -> None:
    ledger.submit("holidays", [NewItem("dog.jpg", file.path, spooled=True, image_id=file.image_id) for file in files])


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 7])
def test_the_bytes_are_kept_and_named_by_their_hash(spool: Spool, size: int) -> None:
    content = os.urandom(size)
    spooled = write(spool, content)
    assert spooled.path.read_bytes() == content and spooled.size == size
    assert spooled.image_id == f"b3:{blake3(content).hexdigest()[:32]}" == content_id(content)


def test_the_same_bytes_twice_are_two_files(spool: Spool) -> None:
    one, other = write(spool), write(spool)
    assert one.image_id == other.image_id and one.path != other.path
    assert one.path.is_absolute() and one.path.parent == spool.folder


def test_an_upload_at_the_limit_is_taken_and_one_above_leaves_nothing(spool: Spool) -> None:
    assert spool.write(io.BytesIO(b"12345"), limit=5).size == 5
    with pytest.raises(UploadTooLarge, match="5 bytes"):
        spool.write(io.BytesIO(b"123456"), limit=5)
    assert len(list(spool.folder.iterdir())) == 1


def test_an_upload_that_breaks_off_leaves_nothing(spool: Spool) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(b"half of a dog")
    ours.settimeout(0.1)
    with theirs, ours, ours.makefile("rb") as upload, pytest.raises(TimeoutError):
        spool.write(upload, limit=100)
    assert list(spool.folder.iterdir()) == []


def test_only_what_lies_in_the_spool_is_ever_removed(spool: Spool, tmp_path: Path) -> None:
    spooled, photograph = write(spool), tmp_path / "dog.jpg"
    photograph.write_bytes(b"dog")
    for _ in range(2):
        spool.remove(spooled.path)
        spool.remove(photograph)
    assert photograph.exists() and not spooled.path.exists()


def test_the_sweep_removes_what_is_old_and_named_by_no_unfinished_item(spool: Spool, ledger: Ledger) -> None:
    finished, running, queued = (write(spool, age=2 * HOUR) for _ in range(3))
    orphan, young_orphan = write(spool, age=2 * HOUR), write(spool)
    submit(ledger, finished, running, queued)
    leased = ledger.lease("ann", limit=2, seconds=60)
    ledger.finish("ann", [Outcome(leased[0].number, ItemState.INDEXED)])
    assert spool.sweep(ledger, older_than=HOUR) == 2
    assert set(spool.folder.iterdir()) == {running.path, queued.path, young_orphan.path}
    assert not orphan.path.exists()
