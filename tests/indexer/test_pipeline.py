"""Photographs on their way into the index: what becomes of good, broken and known ones."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from indexer.decode_pool import DecodePool
from indexer.index.errors import ModelMismatch
from indexer.index.layout import SEGMENTS
from indexer.index.manifest import read_manifest
from indexer.index.records import content_id
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.pictures import picture_of
from indexer.pipeline import Fate, Outcome, Photograph, index_photographs
from model.checkpoint import load_encoder
from model.embeddings import ImageEmbedding, Picture
from model.encoder import Encoder
from tests.photographs import bomb_png, jpeg, truncated_jpeg, write_photographs


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "collection"


def photographs(*paths: Path, item: str | None = None) -> list[Photograph]:
    return [Photograph(path, name=path.name, source=str(path), item=item, metadata={"from": "test"}) for path in paths]


def fates(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {outcome.photograph.name: outcome.code or outcome.fate for outcome in outcomes}


def test_every_photograph_has_an_outcome_of_its_own(tmp_path, collection, tiny_encoder, pool):
    good = write_photographs(tmp_path, range(3))
    (tmp_path / "cut.jpg").write_bytes(truncated_jpeg())
    (tmp_path / "bomb.png").write_bytes(bomb_png())
    (tmp_path / "empty.jpg").touch()
    names = ["cut.jpg", "bomb.png", "empty.jpg", "nowhere.jpg"]
    outcomes = index_photographs(
        photographs(*good, *(tmp_path / name for name in names)), collection, encoder=tiny_encoder, pool=pool
    )
    assert fates(outcomes) == {
        **{path.name: Fate.INDEXED for path in good},
        "cut.jpg": "image_truncated",
        "bomb.png": "image_too_large",
        "empty.jpg": "image_empty",
        "nowhere.jpg": "image_unreadable",
    }
    assert all(outcome.detail for outcome in outcomes if outcome.fate is Fate.FAILED)
    assert open_snapshot(collection).live_count == 3 and not verify_collection(collection).faults


class SlowPool(DecodePool):
    """One that comes to decode when the files have been written anew."""

    def decode(self, items):
        taken = list(items)
        for number, (_, path) in enumerate(taken):
            path.write_bytes(jpeg(100 + number))
        return super().decode(taken)


def test_a_file_that_changes_meanwhile_is_not_indexed_as_what_it_was(tmp_path, collection, tiny_encoder):
    paths = write_photographs(tmp_path, range(2))
    with SlowPool(processes=1, framing=tiny_encoder.framing) as pool:
        outcomes = index_photographs(photographs(*paths), collection, encoder=tiny_encoder, pool=pool)
    assert fates(outcomes) == {path.name: "image_changed" for path in paths}
    assert all(outcome.detail and "index it again" in outcome.detail for outcome in outcomes)
    assert not list(collection.glob(f"{SEGMENTS}/*"))


def test_of_copies_whose_first_changes_each_is_told_of_and_the_next_call_indexes_them(
    tmp_path, collection, tiny_encoder, pool
):
    first, copy = tmp_path / "first.jpg", tmp_path / "copy.jpg"
    for path in (first, copy):
        path.write_bytes(jpeg(0))
    with SlowPool(processes=1, framing=tiny_encoder.framing) as slow:
        outcomes = index_photographs(photographs(first, copy), collection, encoder=tiny_encoder, pool=slow)
    assert {outcome.detail for outcome in outcomes} == {
        "the file changed while it was indexed: index it again",
        f"its copy {first} changed: index it again",
    }
    again = index_photographs(photographs(first, copy), collection, encoder=tiny_encoder, pool=pool)
    assert fates(again) == {"first.jpg": Fate.INDEXED, "copy.jpg": Fate.INDEXED}


def test_a_call_makes_one_commit_with_all_that_is_known_of_the_images(tmp_path, collection, tiny_encoder, pool):
    paths = write_photographs(tmp_path, range(5))
    index_photographs(photographs(*paths, item="job/1"), collection, encoder=tiny_encoder, pool=pool)
    snapshot = open_snapshot(collection)
    assert snapshot.generation == 1 and len(snapshot.parts) == 1
    row = snapshot.find(content_id(jpeg(2)))
    assert row is not None
    record = snapshot.record(row)
    assert (record.name, record.source, record.item) == ("0002.jpg", str(paths[2]), "job/1")
    assert (record.width, record.height, record.size) == (96, 72, len(jpeg(2)))
    assert record.metadata == {"from": "test"} and snapshot.thumbnail(row).startswith(b"RIFF")


def test_the_vectors_are_those_that_the_encoder_makes_of_the_picture_alone(tmp_path, collection, tiny_encoder, pool):
    paths = write_photographs(tmp_path, range(40))
    index_photographs(photographs(*paths), collection, encoder=tiny_encoder, pool=pool)
    snapshot = open_snapshot(collection)
    for number, (_, decoded) in zip((0, 33), pool.decode((n, jpeg(n)) for n in (0, 33)), strict=True):
        (expected,) = tiny_encoder.encode_images([picture_of(decoded)])
        row = snapshot.find(content_id(jpeg(number)))
        for channel, vectors in expected.channels.items():
            torch.testing.assert_close(snapshot.channels(row)[channel], vectors, atol=1e-3, rtol=0)
        torch.testing.assert_close(snapshot.boxes(row), expected.boxes)


def test_the_same_bytes_twice_are_indexed_once(tmp_path, collection, tiny_encoder, pool):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(jpeg(1))
    both = photographs(tmp_path / "a.jpg", tmp_path / "b.jpg")
    first = index_photographs(both, collection, encoder=tiny_encoder, pool=pool)
    assert fates(first) == {"a.jpg": Fate.INDEXED, "b.jpg": Fate.DUPLICATE}
    later = index_photographs(photographs(tmp_path / "c.jpg"), collection, encoder=tiny_encoder, pool=pool)
    assert fates(later) == {"c.jpg": Fate.DUPLICATE}
    assert {outcome.image_id for outcome in first + later} == {content_id(jpeg(1))}
    assert open_snapshot(collection).generation == 1


def test_a_copy_of_a_broken_photograph_is_as_broken(tmp_path, collection, tiny_encoder, pool):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(truncated_jpeg())
    outcomes = index_photographs(
        photographs(tmp_path / "a.jpg", tmp_path / "b.jpg"), collection, encoder=tiny_encoder, pool=pool
    )
    assert fates(outcomes) == {"a.jpg": "image_truncated", "b.jpg": "image_truncated"}


def test_an_item_that_died_between_commit_and_report_is_told_that_it_is_indexed(
    tmp_path, collection, tiny_encoder, pool
):
    (path,) = write_photographs(tmp_path, range(1))
    for item, expected in (("job/1", Fate.INDEXED), ("job/1", Fate.INDEXED), ("job/2", Fate.DUPLICATE)):
        (outcome,) = index_photographs(photographs(path, item=item), collection, encoder=tiny_encoder, pool=pool)
        assert outcome.fate is expected
    assert open_snapshot(collection).live_count == 1


def test_what_is_known_is_neither_decoded_nor_encoded_again(tmp_path, collection, tiny_encoder, pool):
    paths = write_photographs(tmp_path, range(4))
    index_photographs(photographs(*paths), collection, encoder=tiny_encoder, pool=pool)
    before = read_manifest(collection)
    closed = DecodePool(processes=1, framing=tiny_encoder.framing)
    closed.__exit__(None, None, None)
    again = index_photographs(photographs(*paths), collection, encoder=tiny_encoder, pool=closed)
    assert Counter(outcome.fate for outcome in again) == {Fate.DUPLICATE: 4}
    assert read_manifest(collection) == before and len(list((collection / SEGMENTS).iterdir())) == 1


def test_numbers_that_are_not_finite_fail_their_image_alone(tmp_path, collection, tiny_encoder, pool):
    paths = write_photographs(tmp_path, range(3))
    encoder = spoiled(tiny_encoder, which=1)
    outcomes = index_photographs(photographs(*paths), collection, encoder=encoder, pool=pool)
    assert fates(outcomes) == {"0000.jpg": Fate.INDEXED, "0001.jpg": "encoding_failed", "0002.jpg": Fate.INDEXED}
    assert "not finite" in next(str(outcome.detail) for outcome in outcomes if outcome.fate is Fate.FAILED)
    assert not verify_collection(collection).faults


def test_nothing_good_leaves_nothing_behind(tmp_path, collection, tiny_encoder, pool):
    (tmp_path / "cut.jpg").write_bytes(truncated_jpeg())
    index_photographs(photographs(tmp_path / "cut.jpg"), collection, encoder=tiny_encoder, pool=pool)
    assert not list((collection / SEGMENTS).iterdir())
    assert index_photographs([], collection, encoder=tiny_encoder, pool=pool) == []


def test_what_was_not_begun_when_it_had_to_stop_has_no_outcome(tmp_path, collection, tiny_encoder, pool):
    paths = write_photographs(tmp_path, range(70))
    (tmp_path / "copy.jpg").write_bytes(jpeg(69))
    asked = iter((False, True))
    outcomes = index_photographs(
        photographs(*paths, tmp_path / "copy.jpg"),
        collection,
        encoder=tiny_encoder,
        pool=pool,
        stopping=lambda: next(asked),
    )
    assert [outcome.photograph.path for outcome in outcomes] == paths[:32]
    assert open_snapshot(collection).live_count == 32


def test_a_collection_of_other_weights_is_refused_before_anything_is_encoded(
    tmp_path, collection, tiny_encoder, other_checkpoint, pool
):
    paths = write_photographs(tmp_path, range(2))
    index_photographs(photographs(paths[0]), collection, encoder=tiny_encoder, pool=pool)
    other = load_encoder(str(other_checkpoint))
    for path in paths:  # one that is known, and one that is not
        with pytest.raises(ModelMismatch, match=other.fingerprint):
            index_photographs(photographs(path), collection, encoder=other, pool=pool)
    assert open_snapshot(collection).live_count == 1


def spoiled(encoder: Encoder, *, which: int) -> Encoder:
    """The same encoder with a defect: one image of each batch comes out as NaN."""

    def encode_images(pictures: Sequence[Picture]) -> list[ImageEmbedding]:
        images = encoder.encode_images(pictures)
        nothing = {channel: vectors * torch.nan for channel, vectors in images[which].channels.items()}
        images[which] = ImageEmbedding(nothing, images[which].boxes)
        return images

    parts = ("name", "fingerprint", "score_spec", "channel_widths", "framing", "encode_sentences")
    return SimpleNamespace(encode_images=encode_images, **{part: getattr(encoder, part) for part in parts})
