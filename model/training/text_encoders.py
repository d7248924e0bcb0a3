"""Where the text encoders lie that others trained."""

import importlib.util
from pathlib import Path


def place_of(name: str, root: Path) -> str:
    """A folder below `root`, the folder `model` of an installed package, or else the name on the hub."""
    if (root / name).is_dir():
        return str(root / name)
    package = importlib.util.find_spec(name) if name.isidentifier() else None
    if package is None or not package.submodule_search_locations:
        return name
    return str(Path(package.submodule_search_locations[0]) / "model")
