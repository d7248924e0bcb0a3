"""Only one commits at a time, and a lock dies with its owner."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.index.errors import UnknownCollection, WriterBusy
from indexer.index.locks import claim_folder, writer_lock

HOLDER = """
import sys, time
from pathlib import Path
from indexer.index.locks import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_waits_and_then_complains(tmp_path: Path) -> None:
    complaint = pytest.raises(WriterBusy, match=r"held .* for 0\.05 s")
    with writer_lock(tmp_path), complaint, writer_lock(tmp_path, patience=0.05):
        pass
    with writer_lock(tmp_path, patience=0.05):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(WriterBusy), writer_lock(tmp_path, patience=0.0):
            pass
        holder.send_signal(signal.SIGKILL)
        with writer_lock(tmp_path, patience=10.0):
            pass


def test_there_is_no_lock_without_a_collection(tmp_path: Path) -> None:
    with pytest.raises(UnknownCollection), writer_lock(tmp_path / "nothing"):
        pass


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    claim = claim_folder(tmp_path)
    assert claim is not None and claim_folder(tmp_path) is None
    os.close(claim)
    again = claim_folder(tmp_path)
    assert again is not None
    os.close(again)


def test_a_folder_that_was_just_moved_cannot_be_claimed(tmp_path: Path) -> None:
    assert claim_folder(tmp_path / "gone") is None
