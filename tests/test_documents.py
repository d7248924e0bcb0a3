"""What the documents point to is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    ROOT / "model" / "bundled" / "README.md",
    ROOT / "docs" / "training.md",
    ROOT / "docs" / "engine.md",
    ROOT / "docs" / "systems.md",
]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_has_its_file(document):
    targets = [
        t for t in LINK.findall(document.read_text(encoding="utf-8")) if not t.startswith(("http://", "https://"))
    ]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


def test_every_package_has_a_paragraph():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for package in sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("[mis]*/**/__init__.py")):
        assert str(package) in text, f"{package} is not told of"


def test_commands_of_the_readme_exist():
    told = set(re.findall(r"^teran (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    source = (ROOT / "teran.py").read_text(encoding="utf-8")
    assert told
    assert all(f"def {command}(" in source or f'command("{command}")' in source for command in told)


def test_only_one_faiss_is_ever_installed():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [name for name, needs in extras.items() if any("faiss-cpu" in need for need in needs)] == ["cpu"]
    assert [name for name, needs in extras.items() if any("faiss-gpu" in need for need in needs)] == ["gpu"]
