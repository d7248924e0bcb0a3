"""Submits a folder of photographs, and kills the worker once it has begun with them: kill_worker.py SERVICE FOLDER.

Runs beside the worker, in the container of the indexer, and prints the job.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen


def main(service: str, folder: str) -> None:
    submission = json.dumps({"sources": [{"type": "folder", "path": folder}]}).encode()
    job = ask(Request(f"{service}/index", submission, {"Content-Type": "application/json"}))
    print(job["id"], flush=True)
    while job["state"] == "queued":
        job = ask(Request(f"{service}/index/{job['id']}"))
    # The only child of the init process, which ends with it, and the container with both.
    (worker,) = Path("/proc/1/task/1/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)


def ask(request: Request) -> dict[str, Any]:
    with urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
