"""The manifest comes back as it was written, or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index import manifest as manifest_file
from indexer.index.durable_files import FileSeal, checksum_of
from indexer.index.errors import Damaged, ModelMismatch, NoCommit, UnknownCollection, UnknownFormat
from indexer.index.layout import FORMAT, MANIFEST
from indexer.index.manifest import Manifest, SegmentEntry, Tombstones, read_manifest, write_manifest
from tests.indexer.index.tiny import ENCODER

SEAL = FileSeal(17, "0" * 32)
FULL = Manifest(3, ENCODER, (SegmentEntry("a", 8, SEAL), SegmentEntry("b", 9, SEAL, Tombstones("b-3", 2, SEAL))))


@pytest.mark.parametrize("manifest", [FULL, Manifest(1, ENCODER, ())])
def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path, manifest: Manifest) -> None:
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_a_manifest_replaces_the_one_before(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    write_manifest(tmp_path, FULL.next(FULL.segments[:1]))
    assert read_manifest(tmp_path) == replace(FULL, generation=4, segments=FULL.segments[:1])


def test_the_deleted_are_not_live() -> None:
    assert [entry.live for entry in FULL.segments] == [8, 7]


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    data = (tmp_path / MANIFEST).read_bytes()
    for place in range(0, len(data), 7):
        flipped = bytes([data[place] ^ (1 << place % 8)])
        (tmp_path / MANIFEST).write_bytes(data[:place] + flipped + data[place + 1 :])
        with pytest.raises(Damaged, match=MANIFEST):
            read_manifest(tmp_path)


@settings(max_examples=30)
@given(data=st.binary(max_size=40) | st.sampled_from([b"[]", b"{}", b'{"body": 1}', b'{"body": {}, "xxh3_128": ""}']))
def test_what_is_no_manifest_is_damage(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    (folder / MANIFEST).write_bytes(data)
    with pytest.raises(Damaged, match=MANIFEST):
        read_manifest(folder)


def test_a_manifest_of_a_later_format_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_file, "FORMAT", FORMAT + 1)
    write_manifest(tmp_path, FULL)
    with pytest.raises(UnknownFormat, match=f"format {FORMAT + 1}, this program reads format {FORMAT}"):
        read_manifest(tmp_path)


def test_no_folder_and_no_commit_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoCommit, match="index an image first"):
        read_manifest(tmp_path)
    with pytest.raises(UnknownCollection, match="no collection at"):
        read_manifest(tmp_path / "nothing")


def test_other_weights_are_refused_with_both_fingerprints() -> None:
    ENCODER.check_fingerprint("1" * 64)
    with pytest.raises(ModelMismatch, match=f"{'1' * 64}.*{'2' * 64}.*load the encoder that made it"):
        ENCODER.check_fingerprint("2" * 64)


def test_a_person_can_read_a_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path, FULL)
    document = json.loads((tmp_path / MANIFEST).read_bytes())
    assert document["body"]["encoder"] == "tiny" and document["body"]["generation"] == 3
    assert document["xxh3_128"] == checksum_of(json.dumps(document["body"], sort_keys=True).encode())
