"""A disk that is really full: a small file system in memory, mounted for the test alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
IN_SMALL_DISK = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
MOUNT = 'mount -t tmpfs -o size=1m none "$0"'

FILL_AND_RECOVER = """
import io, sys
from pathlib import Path
from indexer.ledger.errors import DiskFull
from indexer.ledger.items import NewItem
from indexer.ledger.ledger import Ledger
from indexer.ledger.spool import Spool

disk = Path(sys.argv[1])
ledger, spool = Ledger(disk / "ledger.sqlite"), Spool(disk / "spool")
ballast = spool.write(io.BytesIO(bytes(500_000)), limit=500_000)
acknowledged, refused = [], 0
while refused < 3:
    try:
        acknowledged.append(ledger.submit("holidays", [NewItem("dog.jpg", Path("/dog.jpg"))] * 20).id)
    except DiskFull:
        refused += 1
try:
    spool.write(io.BytesIO(bytes(500_000)), limit=500_000)
except DiskFull:
    refused += 1
assert refused == 4 and list(spool.folder.iterdir()) == [ballast.path]
assert acknowledged and {ledger.job(job_id).counts.queued for job_id in acknowledged} == {20}
spool.remove(ballast.path)
assert ledger.submit("holidays", [NewItem("dog.jpg", Path("/dog.jpg"))]).counts.queued == 1
assert ledger.unfinished() == 20 * len(acknowledged) + 1
"""


def test_a_full_disk_is_told_of_loses_nothing_and_is_left_when_there_is_room(tmp_path: Path) -> None:
    if subprocess.run([*IN_SMALL_DISK, MOUNT, tmp_path], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let us mount a file system")
    command = [*IN_SMALL_DISK, f'{MOUNT} && exec "$1" -c "$2" "$0"', tmp_path, sys.executable, FILL_AND_RECOVER]
    subprocess.run(command, cwd=ROOT, check=True)
