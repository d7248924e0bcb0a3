"""Who may import whom: the layers of the project stay apart."""

import ast
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READ_SIDE = ("indexer.index", "indexer.ledger")
ALLOWED = {
    "model": ("model",),
    "indexer": ("indexer", "model"),
    "indexer/index": ("indexer.index", "model"),
    "indexer/ledger": READ_SIDE,
    "service": ("service", "model", *READ_SIDE),
}


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return {name for name in names if name.split(".")[0] in ("model", "indexer", "service", "teran")}


def lies_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_it_may(folder):
    inner = [other for other in ALLOWED if other.startswith(folder + "/")]
    for path in (ROOT / folder).rglob("*.py"):
        if any(path.is_relative_to(ROOT / other) for other in inner):
            continue
        for name in imports_of(path):
            assert any(lies_in(name, package) for package in ALLOWED[folder]), f"{path} imports {name}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("[mis]*/**/*.py")), ids=str)
def test_training_is_imported_by_training_alone(path):
    if not path.is_relative_to(ROOT / "model" / "training"):
        assert not any(lies_in(name, "model.training") for name in imports_of(path))


def test_no_dependency_brings_a_package_of_our_names():
    for name in ("model", "indexer", "service"):
        assert set(packages_distributions().get(name, ["teran"])) <= {"teran"}
