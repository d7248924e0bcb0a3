"""Logs are JSON where no person watches, one object a line, whoever writes them."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WRITE = """
import logging, structlog
from service.logs import configure_logs
configure_logs()
structlog.get_logger("ours").info("answered", request_id="r1", status=200)
logging.getLogger("uvicorn.access").info("said twice")
try:
    raise ValueError("broken")
except ValueError:
    logging.getLogger("theirs").exception("failed with %s", "x")
"""


def test_every_line_is_an_object_with_time_level_and_logger():
    written = subprocess.run([sys.executable, "-c", WRITE], cwd=ROOT, capture_output=True, text=True, check=True)
    ours, theirs = (json.loads(line) for line in written.stderr.splitlines())
    assert (ours["event"], ours["request_id"], ours["level"], ours["logger"]) == ("answered", "r1", "info", "ours")
    assert theirs["event"] == "failed with x" and "ValueError: broken" in theirs["exception"]
    assert ours["timestamp"].endswith("Z") and not written.stdout
