"""Records come back as they were; ids are made from content alone."""

from dataclasses import replace

import blake3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index.records import ID_LENGTH, content_id, decode_record, encode_record, is_image_id
from tests.indexer.index.tiny import record_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_an_id_is_half_of_the_blake3_hash_of_the_bytes() -> None:
    image_id = content_id(b"photograph")
    assert image_id == "b3:" + blake3.blake3(b"photograph").hexdigest()[:32]
    assert is_image_id(image_id) and len(image_id) == ID_LENGTH


@pytest.mark.parametrize("text", ["", "b3:", "b3:" + "0" * 31, "b3:" + "0" * 33, "b3:" + "A" * 32, " b3:" + "0" * 32])
def test_other_texts_are_no_ids(text: str) -> None:
    assert not is_image_id(text)


def test_an_id_with_something_behind_it_is_none() -> None:
    assert not is_image_id("b3:" + "0" * 32 + "\n") and not is_image_id("b3:" + "0" * 32 + "\0")


@settings(max_examples=40)
@given(name=st.text(st.characters(exclude_categories=())), metadata=st.dictionaries(st.text(), JSON))
def test_a_record_comes_back_as_it_was(name: str, metadata: dict[str, object]) -> None:
    record = replace(record_of(1, item="job/7"), name=name, metadata=metadata)  # names need not be UTF-8
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("metadata", [{"x": float("nan")}, {"x": b"bytes"}, {("a", "b"): 1}])
def test_metadata_that_is_not_json_is_refused(metadata: dict[object, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode_record(replace(record_of(1), metadata=metadata))
