"""Damage with the right checksums: what a mistake in the writer would leave."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from indexer.index.durable_files import FileSeal, checksum_of
from indexer.index.layout import SEGMENTS
from indexer.index.manifest import read_manifest, write_manifest
from indexer.index.segment import HEAD


def forge(collection: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """Change a file of the first segment and all seals above it."""
    manifest = read_manifest(collection)
    entry = manifest.segments[0]
    folder = collection / SEGMENTS / entry.id
    seal = _rewrite(folder / name, change((folder / name).read_bytes()))
    head = json.loads((folder / HEAD).read_bytes())
    head["files"][name] = seal.to_json()
    entry = replace(entry, seal=_rewrite(folder / HEAD, json.dumps(head).encode()))
    write_manifest(collection, replace(manifest, segments=(entry, *manifest.segments[1:])))
    return folder / name


def _rewrite(path: Path, data: bytes) -> FileSeal:
    path.write_bytes(data)
    return FileSeal(len(data), checksum_of(data))
