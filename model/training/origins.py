"""What tells weights, and other files that a training learns from, from those that might take their place."""

import hashlib
from pathlib import Path


def content_of(place: str | Path) -> str:
    """The hash of a file, or of all files of a folder; anything else is a name on the hub and stands for itself."""
    path = Path(place)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    if not path.exists():
        return str(place)
    state = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            state.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return state.hexdigest()[:16]
