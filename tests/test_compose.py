"""What docker-compose.yml and the files beside it promise, as far as it can be seen without Docker."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from indexer.ledger.items import NewItem
from indexer.ledger.ledger import LEDGER_FILE, Ledger

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
OURS = ("api", "indexer", "api-gpu", "indexer-gpu")


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / LEDGER_FILE)
    yield ledger
    ledger.close()


def indexer_health(data):
    script = ROOT / "docker" / "indexer_health.py"
    return subprocess.run([sys.executable, script, data / LEDGER_FILE], capture_output=True).returncode


def submit_one(ledger):
    ledger.submit("default", [NewItem("a.jpg", Path("/photos/a.jpg"))])


def test_without_a_profile_the_service_an_indexer_and_redis_start():
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"api", "indexer", "redis"}


@pytest.mark.parametrize("name", OURS)
def test_nobody_waits_for_redis_or_for_one_another(name):
    assert "depends_on" not in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_what_dies_is_started_again(name):
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check(name):
    assert "healthcheck" in SERVICES[name] or ("serve" in SERVICES[name]["command"] and "/readyz" in DOCKERFILE)


@pytest.mark.parametrize("name", OURS)
def test_photographs_cannot_be_written_and_data_lies_in_the_one_volume(name):
    assert SERVICES[name]["volumes"] == ["data:/data", "${PHOTOS:-./photos}:/photos:ro"]
    assert list(COMPOSE["volumes"]) == ["data"]


def test_ports_differ_and_are_those_of_this_machine_alone():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports)) == 2
    assert all(port.startswith("${TERAN_HOST:-127.0.0.1}:") for port in ports)


def test_redis_keeps_nothing_and_makes_room_by_itself():
    command = " ".join(SERVICES["redis"]["command"])
    assert "--save  --appendonly no" in command
    assert "--maxmemory 128mb --maxmemory-policy allkeys-lru" in command


@pytest.mark.parametrize("name", ["api", "indexer"])
def test_on_a_gpu_only_the_build_the_device_and_the_port_are_others(name):
    ours, gpu = dict(SERVICES[name]), dict(SERVICES[f"{name}-gpu"])
    assert gpu.pop("profiles") == ["gpu"]
    assert gpu.pop("deploy")["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert gpu["environment"] == {**ours["environment"], "TERAN_DEVICE": "cuda"}
    assert (gpu["build"]["args"]["FAISS"], gpu["build"]["args"]["TORCH_INDEX"]) == ("cpu", "")
    for different in ("build", "environment", "ports"):
        ours.pop(different, None), gpu.pop(different, None)
    assert gpu == ours


def test_every_variable_is_explained_at_the_top():
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    head = text[: text.index("\nx-")]
    assert all(f"#   {variable} " in head for variable in re.findall(r"\$\{(\w+)", text))


def test_the_image_does_not_run_as_root():
    final = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert re.findall(r"^USER (\w+)$", final, re.MULTILINE) == ["teran"]


def test_what_the_image_copies_is_let_through_to_the_build():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert allowed >= (copied - {"."}) | packages | {"README.md", "teran.py"}
    assert all((ROOT / path).exists() for path in allowed)


def test_the_health_of_the_indexer_is_read_from_the_ledger():
    assert SERVICES["indexer"]["healthcheck"]["test"][-1] == f"/data/{LEDGER_FILE}"


def test_an_indexer_without_work_is_healthy(ledger, tmp_path):
    assert indexer_health(tmp_path) == 0


def test_an_indexer_that_holds_an_item_is_healthy(ledger, tmp_path):
    submit_one(ledger)
    ledger.lease("a worker", limit=1, seconds=60)
    assert indexer_health(tmp_path) == 0


def test_an_indexer_that_leaves_items_lying_is_not(ledger, tmp_path):
    submit_one(ledger)
    assert indexer_health(tmp_path) == 1


def test_an_indexer_that_fell_silent_is_not(ledger, tmp_path):
    submit_one(ledger)
    ledger.lease("a worker", limit=1, seconds=-1)
    assert indexer_health(tmp_path) == 1


def test_an_indexer_that_has_not_begun_is_not(tmp_path):
    assert indexer_health(tmp_path) == 1


def test_the_script_that_tries_it_all_can_be_parsed_and_run():
    script = ROOT / "docker" / "compose-test.sh"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)
