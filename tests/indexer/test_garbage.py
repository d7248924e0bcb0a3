"""Garbage collection removes what nobody needs, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from indexer.commit import commit_segment
from indexer.garbage import collect_garbage
from indexer.index.deletion import delete_images
from indexer.index.layout import MANIFEST, SEGMENTS, TOMBSTONES
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import Verification, verify_collection
from indexer.merge import merge
from tests.indexer.index.tiny import (
    ENCODER,
    commit_images,
    embedding_of,
    image_id,
    live_numbers,
    record_of,
    writer_for,
)

WRITER = """
import sys, time
from pathlib import Path
from indexer.segment_writer import SegmentWriter
with SegmentWriter(Path(sys.argv[1]), channel_widths={"regions": 8}, shortlist_channel="regions"):
    print("writing", flush=True)
    time.sleep(60)
"""


def test_what_a_merge_and_deletions_left_is_removed(tmp_path: Path) -> None:
    for first in range(8):
        commit_images(tmp_path, [2 * first, 2 * first + 1])
    for number in range(3):
        delete_images(tmp_path, [image_id(number)])
    assert merge(tmp_path) is not None
    collect_garbage(tmp_path)
    assert len(list((tmp_path / SEGMENTS).iterdir())) == 1 and list((tmp_path / TOMBSTONES).iterdir()) == []
    assert live_numbers(open_snapshot(tmp_path)) == list(range(3, 16))
    assert collect_garbage(tmp_path) == []


def test_what_the_commit_names_is_kept(tmp_path: Path) -> None:
    commit_images(tmp_path, range(4))
    delete_images(tmp_path, [image_id(1)])
    assert collect_garbage(tmp_path) == []
    assert verify_collection(tmp_path) == Verification((), ())


def test_a_segment_belongs_to_its_writer_until_it_is_committed(tmp_path: Path) -> None:
    with writer_for(tmp_path) as writer:
        assert collect_garbage(tmp_path) == []
        writer.add(record_of(1), embedding_of(1), b"")
        entry = writer.finish()
        assert entry is not None
        assert collect_garbage(tmp_path) == []
        commit_segment(tmp_path, entry, encoder=ENCODER)
    assert live_numbers(open_snapshot(tmp_path)) == [1]


def test_a_finished_segment_that_nobody_committed_is_removed(tmp_path: Path) -> None:
    with writer_for(tmp_path) as writer:
        writer.add(record_of(1), embedding_of(1), b"")
        entry = writer.finish()
        assert entry is not None
    assert collect_garbage(tmp_path) == [tmp_path / SEGMENTS / entry.id]


def test_the_draft_of_a_killed_writer_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"writing\n"
        assert collect_garbage(tmp_path) == []
        os.kill(writer.pid, signal.SIGKILL)
    (draft,) = collect_garbage(tmp_path)
    assert draft.suffix == ".draft" and not draft.exists()


def test_the_draft_of_a_manifest_is_removed(tmp_path: Path) -> None:
    commit_images(tmp_path, [1])
    draft = tmp_path / f"{MANIFEST}.draft"
    draft.touch()
    assert collect_garbage(tmp_path) == [draft]
