"""The manifest: what a collection holds at one commit."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from indexer.index.durable_files import FileSeal, checksum_of, replace_file
from indexer.index.errors import Damaged, Missing, ModelMismatch, NoCommit, UnknownCollection
from indexer.index.layout import FORMAT, MANIFEST, check_format
from model.encoder import Encoder
from model.scoring import ScoreSpec

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Whose vectors a collection holds, and how they are compared with a sentence."""

    fingerprint: str
    name: str
    score_spec: ScoreSpec
    channel_widths: Mapping[str, int]

    @classmethod
    def of(cls, encoder: Encoder) -> "EncoderIdentity":
        return cls(encoder.fingerprint, encoder.name, encoder.score_spec, dict(encoder.channel_widths))

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raise ModelMismatch for other weights than those that made the vectors."""
        if fingerprint != self.fingerprint:
            raise ModelMismatch(
                f"the collection was indexed by {self.name} with fingerprint {self.fingerprint}, "
                f"the encoder at hand has fingerprint {fingerprint}: "
                "load the encoder that made it, or index the images again into a new collection"
            )


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The file that holds the deleted rows of one segment."""

    file: str
    count: int
    seal: FileSeal


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    id: str
    images: int  # the deleted ones too
    seal: FileSeal  # of its segment.json, which holds the seals of its other files
    tombstones: Tombstones | None = None

    @property
    def live(self) -> int:
        return self.images - (self.tombstones.count if self.tombstones else 0)


@dataclass(frozen=True, slots=True)
class Manifest:
    generation: int  # one more with every commit
    encoder: EncoderIdentity
    segments: tuple[SegmentEntry, ...]

    def next(self, segments: Iterable[SegmentEntry]) -> "Manifest":
        return replace(self, generation=self.generation + 1, segments=tuple(segments))


def read_manifest(collection: Path) -> Manifest:
    path = collection / MANIFEST
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if not collection.is_dir():
            raise UnknownCollection(f"there is no collection at {collection}: create it or index an image") from None
        raise NoCommit(f"{collection} holds no {MANIFEST}: index an image first") from None
    try:
        body = json.loads(data)["body"]
    except (ValueError, TypeError, KeyError):
        raise Damaged(path, "it is not the JSON of a manifest") from None
    if _sealed(body) != data:
        raise Damaged(path, "its checksum is not that of what was written")
    check_format(path, body["format"])
    return _from_json(body)


def check_model(collection: Path, fingerprint: str) -> None:
    """Raise ModelMismatch for other weights than those of the collection; one that is not there yet takes any."""
    with suppress(UnknownCollection, NoCommit):
        read_manifest(collection).encoder.check_fingerprint(fingerprint)


def read_latest(collection: Path, read: Callable[[Manifest], Result]) -> Result:
    """What `read` makes of the latest commit; of the next, if a merge removes files before they are read."""
    manifest = read_manifest(collection)
    while True:
        try:
            return read(manifest)
        except Missing:
            newer = read_manifest(collection)
            if newer.generation == manifest.generation:
                raise
            manifest = newer


def write_manifest(collection: Path, manifest: Manifest) -> None:
    """The commit itself: with this every file that the manifest names becomes the collection. Only under the lock."""
    replace_file(collection / MANIFEST, _sealed(_to_json(manifest)))


def _sealed(body: Mapping[str, Any]) -> bytes:
    """The bytes of a manifest file: any that are read must be these again, so that no flipped one goes unnoticed."""
    checksum = checksum_of(json.dumps(body, sort_keys=True).encode())
    return json.dumps({"body": body, "xxh3_128": checksum}, sort_keys=True, indent=1).encode() + b"\n"


def _to_json(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "generation": manifest.generation,
        "fingerprint": manifest.encoder.fingerprint,
        "encoder": manifest.encoder.name,
        "score_spec": manifest.encoder.score_spec.to_json(),
        "channel_widths": dict(manifest.encoder.channel_widths),
        "segments": [_entry_to_json(entry) for entry in manifest.segments],
    }


def _from_json(body: Mapping[str, Any]) -> Manifest:
    encoder = EncoderIdentity(
        fingerprint=body["fingerprint"],
        name=body["encoder"],
        score_spec=ScoreSpec.from_json(body["score_spec"]),
        channel_widths=body["channel_widths"],
    )
    return Manifest(body["generation"], encoder, tuple(_entry_from_json(entry) for entry in body["segments"]))


def _entry_to_json(entry: SegmentEntry) -> dict[str, Any]:
    dead = entry.tombstones
    return {
        "id": entry.id,
        "images": entry.images,
        "seal": entry.seal.to_json(),
        "tombstones": dead and {"file": dead.file, "count": dead.count, "seal": dead.seal.to_json()},
    }


def _entry_from_json(entry: Mapping[str, Any]) -> SegmentEntry:
    dead = entry["tombstones"]
    return SegmentEntry(
        id=entry["id"],
        images=entry["images"],
        seal=FileSeal.from_json(entry["seal"]),
        tombstones=dead and Tombstones(dead["file"], dead["count"], FileSeal.from_json(dead["seal"])),
    )
