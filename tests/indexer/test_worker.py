"""A worker takes what was submitted, and reports how each item ended."""

import errno
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import Event

import pytest

from indexer import worker
from indexer.index.layout import collection_path
from indexer.index.snapshot import open_snapshot
from indexer.ledger.items import ItemState, NewItem
from indexer.ledger.jobs import Job, JobState
from indexer.ledger.ledger import LEDGER_FILE, Ledger
from indexer.ledger.spool import UPLOADS, Spool
from indexer.worker import Worker
from model.checkpoint import load_encoder
from tests.indexer.working import working
from tests.photographs import bomb_png, jpeg, truncated_jpeg

PATIENCE_S = 60.0


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / LEDGER_FILE)) as ledger:
        yield ledger


@pytest.fixture
def spool(tmp_path) -> Spool:
    return Spool(tmp_path / UPLOADS)


def upload(spool: Spool, name: str, data: bytes) -> NewItem:
    file = spool.write(BytesIO(data), limit=2**20)
    return NewItem(name, file.path, spooled=True, image_id=file.image_id, metadata={"camera": "old"})


def submit(ledger: Ledger, spool: Spool, numbers: range, *, collection: str = "default") -> Job:
    return ledger.submit(collection, [upload(spool, f"{number}.jpg", jpeg(number)) for number in numbers])


def outcomes(ledger: Ledger, job: Job) -> dict[str, str]:
    return {item.name: item.code or item.state for item in ledger.items(job.id)}


def live(data: Path) -> int:
    return open_snapshot(collection_path(data, "default")).live_count


def test_every_item_of_a_job_ends_as_it_deserves_and_no_upload_stays(tmp_path, ledger, spool, tiny_encoder, pool):
    broken = {"cut.jpg": truncated_jpeg(), "bomb.png": bomb_png(), "notes.jpg": b"not a picture"}
    items = [upload(spool, name, data) for name, data in {"a.jpg": jpeg(1), "b.jpg": jpeg(1), **broken}.items()]
    job = ledger.submit("default", items)
    with working(tmp_path, tiny_encoder, pool):
        assert ledger.wait_for_job(job.id, PATIENCE_S).state is JobState.PARTIAL
    assert outcomes(ledger, job) == {
        "a.jpg": ItemState.INDEXED,
        "b.jpg": ItemState.DUPLICATE,
        "cut.jpg": "image_truncated",
        "bomb.png": "image_too_large",
        "notes.jpg": "image_unsupported",
    }
    assert live(tmp_path) == 1 and not list(spool.folder.iterdir())


def test_a_photograph_in_a_folder_is_left_where_it_is(tmp_path, ledger, tiny_encoder, pool):
    path = tmp_path / "dog.jpg"
    path.write_bytes(jpeg(1))
    job = ledger.submit("default", [NewItem("dog.jpg", path)])
    with working(tmp_path, tiny_encoder, pool):
        assert ledger.wait_for_job(job.id, PATIENCE_S).state is JobState.SUCCEEDED
    snapshot = open_snapshot(collection_path(tmp_path, "default"))
    assert path.exists() and snapshot.record(0).source == str(path)


def test_items_of_a_collection_of_other_weights_fail_with_the_reason(
    tmp_path, ledger, spool, tiny_encoder, other_checkpoint, pool
):
    first = submit(ledger, spool, range(2))
    with working(tmp_path, tiny_encoder, pool):
        ledger.wait_for_job(first.id, PATIENCE_S)
    job = submit(ledger, spool, range(2, 4))
    with working(tmp_path, load_encoder(str(other_checkpoint)), pool):
        job = ledger.wait_for_job(job.id, PATIENCE_S)
    assert job.state is JobState.FAILED and set(outcomes(ledger, job).values()) == {"model_mismatch"}
    assert tiny_encoder.fingerprint in job.errors_sample[0].detail and live(tmp_path) == 2


def test_items_of_a_damaged_collection_fail_with_the_file(tmp_path, ledger, spool, tiny_encoder, pool):
    with working(tmp_path, tiny_encoder, pool):
        ledger.wait_for_job(submit(ledger, spool, range(1)).id, PATIENCE_S)
        (ids,) = collection_path(tmp_path, "default").glob("segments/*/ids")
        ids.write_bytes(b"x" * ids.stat().st_size)
        job = ledger.wait_for_job(submit(ledger, spool, range(1, 3)).id, PATIENCE_S)
        elsewhere = ledger.wait_for_job(submit(ledger, spool, range(1), collection="other").id, PATIENCE_S)
    assert set(outcomes(ledger, job).values()) == {"collection_damaged"}
    assert str(ids) in job.errors_sample[0].detail and elsewhere.state is JobState.SUCCEEDED


def test_what_no_photograph_is_to_blame_for_is_tried_again(
    tmp_path, ledger, spool, tiny_encoder, pool, monkeypatch, caplog
):
    monkeypatch.setattr(worker, "PAUSE_S", 0.05)
    obstacle = tmp_path / "collections"
    obstacle.write_text("where a folder has to be")
    job = submit(ledger, spool, range(3))
    with working(tmp_path, tiny_encoder, pool):
        while caplog.text.count("trying again") < 4:
            time.sleep(0.01)
        assert ledger.job(job.id).finished_at is None
        obstacle.unlink()
        assert ledger.wait_for_job(job.id, PATIENCE_S).state is JobState.SUCCEEDED


def test_a_worker_that_stops_gives_back_what_it_has_not_begun(tmp_path, ledger, spool, tiny_encoder, pool, monkeypatch):
    job = submit(ledger, spool, range(40))
    stopping = Event()
    with Worker(tmp_path, encoder=tiny_encoder, pool=pool) as one:
        monkeypatch.setattr(tiny_encoder, "encode_images", stopped_after(tiny_encoder.encode_images, stopping))
        assert one.work_once(stopping=stopping)
    counts = ledger.job(job.id).counts
    assert (counts.indexed, counts.queued, counts.running) == (32, 8, 0)
    assert len(list(spool.folder.iterdir())) == 8 and live(tmp_path) == 32
    assert all(item.tries == 1 for item in ledger.lease("next", limit=8, seconds=1))


def stopped_after(encode, stopping: Event):
    def encode_and_stop(pictures):
        stopping.set()
        return encode(pictures)

    return encode_and_stop


def test_the_lease_is_prolonged_while_the_work_takes_longer(tmp_path, ledger, spool, tiny_encoder, pool, monkeypatch):
    job, encode = submit(ledger, spool, range(2)), tiny_encoder.encode_images

    def outlast_the_lease(pictures):
        time.sleep(3)
        assert not ledger.lease("another", limit=2, seconds=60)
        return encode(pictures)

    monkeypatch.setattr(tiny_encoder, "encode_images", outlast_the_lease)
    with Worker(tmp_path, encoder=tiny_encoder, pool=pool, lease_s=2) as slow:
        slow.work_once(stopping=Event())
    assert ledger.job(job.id).counts.indexed == 2


def test_a_worker_that_comes_too_late_leaves_the_upload_to_the_next(
    tmp_path, ledger, spool, tiny_encoder, pool, monkeypatch
):
    submit(ledger, spool, range(1))
    encode = tiny_encoder.encode_images

    def lose_the_lease(pictures):
        with closing(Ledger(tmp_path / LEDGER_FILE, clock=lambda: time.time() + 3600)) as later:
            assert later.lease("another", limit=1, seconds=60)
        return encode(pictures)

    monkeypatch.setattr(tiny_encoder, "encode_images", lose_the_lease)
    with Worker(tmp_path, encoder=tiny_encoder, pool=pool) as late:
        late.work_once(stopping=Event())
    assert ledger.unfinished() == 1 and len(list(spool.folder.iterdir())) == 1


def test_what_cannot_be_tidied_keeps_no_photograph_waiting(tmp_path, ledger, spool, tiny_encoder, pool, monkeypatch):
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    submit(ledger, spool, range(2))
    (spool.folder / "lost+found").mkdir()
    monkeypatch.setattr(worker, "KEPT_UPLOADS", timedelta(0))
    monkeypatch.setattr(worker, "keep_in_shape", full)
    with working(tmp_path, tiny_encoder, pool):
        deadline = time.monotonic() + PATIENCE_S
        while ledger.unfinished() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert not ledger.unfinished() and live(tmp_path) == 2


def test_uploads_of_a_cancelled_job_are_swept(tmp_path, ledger, spool, tiny_encoder, pool, monkeypatch):
    monkeypatch.setattr(worker, "TIDY_EVERY_S", 0.05)
    with working(tmp_path, tiny_encoder, pool):
        ledger.cancel(ledger.submit("default", [upload(spool, "a.jpg", jpeg(1))] * 500).id)
        monkeypatch.setattr(worker, "KEPT_UPLOADS", timedelta(0))
        deadline = time.monotonic() + PATIENCE_S
        while list(spool.folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert not list(spool.folder.iterdir())
