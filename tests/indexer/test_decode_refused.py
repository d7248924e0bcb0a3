"""Bytes that are no photograph, or a damaged, monstrous or hostile one, become the right code."""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.decode import DEFAULT_LIMITS, DecodeLimits, decode, read_photograph
from indexer.errors import DecodeCode, DecodeError
from model.framing import Framing

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def photo(width: int = 300, height: int = 200) -> Image.Image:
    """Soft blotches of colour, the same every time."""
    blotches = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blotches).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, *, bits: int = 8, extra: bytes = b"") -> bytes:
    """Greyscale; every row begins with a zero, the number of its filter."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(rows, 1)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + extra + body


def code_of(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(data, framing=Framing(32), limits=limits)
    return caught.value.code


NOT_PICTURES = {
    "text": b"this is not a photograph\n" * 100,
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>',
    "zip": b"PK\x03\x04" + bytes(500),
    "pdf": b"%PDF-1.7\n" + bytes(500),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
    "heic": b"\0\0\0\x18ftypheic" + bytes(500),
    "one byte": b"\xff",
    "zeros": bytes(10_000),
    "a format that is not listed": encoded(photo(), "PPM"),
}


@pytest.mark.parametrize("name", NOT_PICTURES)
def test_what_is_no_picture_is_unsupported(name: str) -> None:
    assert code_of(NOT_PICTURES[name]) == "image_unsupported"


def test_no_bytes_are_empty() -> None:
    assert code_of(b"") == "image_empty"


def test_more_bytes_than_the_limit_are_too_large() -> None:
    data = encoded(photo(), "PNG")
    decode(data, framing=Framing(32), limits=DecodeLimits(max_bytes=len(data)))
    assert code_of(data, DecodeLimits(max_bytes=len(data) - 1)) == "image_too_large"


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (200, 15)])
def test_tiny_pictures_are_too_small(size: tuple[int, int]) -> None:
    assert code_of(encoded(Image.new("RGB", size), "PNG")) == "image_too_small"


def test_long_strips_are_unsupported() -> None:
    decode(encoded(Image.new("RGB", (320, 16)), "PNG"), framing=Framing(32))
    assert code_of(encoded(Image.new("RGB", (321, 16)), "PNG")) == "image_unsupported"


@pytest.mark.parametrize("side", [8_001, 10_000, 20_000, 60_000])
def test_a_header_that_declares_too_many_pixels_is_enough(side: int) -> None:
    assert code_of(png(side, side, rows=b"", bits=1)) == "image_too_large"


def test_a_real_bomb_is_refused_before_it_goes_off() -> None:
    bomb = png(10_000, 10_000, rows=bytes(10_000 * 10_001))
    assert len(bomb) < 500_000
    assert code_of(bomb) == "image_too_large"


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_declares_its_size_in_any_of_its_headers(lossless: bool) -> None:
    plain = encoded(photo(), "WEBP", lossless=lossless)
    extended = encoded(photo(), "WEBP", lossless=lossless, exif=b"Exif\0\0MM\0*")
    for data in (plain, extended):
        decode(data, framing=Framing(32), limits=DecodeLimits(max_pixels=300 * 200))
        assert code_of(data, DecodeLimits(max_pixels=300 * 200 - 1)) == "image_too_large"


def test_a_webp_that_declares_too_many_pixels_is_not_opened() -> None:
    data = bytearray(encoded(photo(), "WEBP", exif=b"Exif\0\0MM\0*"))
    data[24:30] = b"\xfe\x3f\0" * 2
    with pytest.raises(DecodeError, match="16383 x 16383 pixels"):
        decode(bytes(data), framing=Framing(32))


def test_the_message_names_the_limit() -> None:
    with pytest.raises(DecodeError, match=r"10000 x 10000 pixels; the limit is 64 megapixels"):
        decode(png(10_000, 10_000, rows=b""), framing=Framing(32))
    with pytest.raises(DecodeError, match=r"more than the limit of 64 megapixels"):
        decode(png(60_000, 60_000, rows=b""), framing=Framing(32))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_cut_short_is_never_taken(file_format: str) -> None:
    data = encoded(photo(), file_format)
    for share in np.linspace(0.01, 0.99, 15):
        assert code_of(data[: int(len(data) * share)]) in {"image_truncated", "image_unsupported"}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_half_a_file_is_truncated(file_format: str) -> None:
    data = encoded(photo(), file_format)
    assert code_of(data[: len(data) // 2]) == "image_truncated"


@settings(max_examples=150, deadline=None)
@given(
    file_format=st.sampled_from(FORMATS),
    changes=st.dictionaries(st.floats(0, 0.999), st.integers(0, 255), max_size=20),
)
def test_damage_gives_pixels_or_a_code_and_nothing_else(file_format: str, changes: dict[float, int]) -> None:
    data = bytearray(encoded(photo(90, 60), file_format))
    for place, value in changes.items():
        data[int(place * len(data))] = value
    try:
        assert decode(bytes(data), framing=Framing(16)).pixels.shape == (16, 16, 3)
    except DecodeError as error:
        assert error.code in set(DecodeCode)


def test_a_text_that_inflates_without_end_is_refused() -> None:
    text = b"comment\0\0" + zlib.compress(bytes(100_000_000), 9)
    assert code_of(png(64, 64, bytes(64 * 65), extra=png_chunk(b"zTXt", text))) == "image_truncated"


@pytest.mark.parametrize("profile", [b"not a profile", bytes(2_000_000)])
@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "TIFF"])
def test_colour_profiles_are_ignored_however_large_or_damaged(file_format: str, profile: bytes) -> None:
    with_profile = decode(encoded(photo(), file_format, icc_profile=profile), framing=Framing(32))
    assert np.array_equal(with_profile.pixels, decode(encoded(photo(), file_format), framing=Framing(32)).pixels)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"bytes")
    assert read_photograph(tmp_path / "a.jpg") == b"bytes"


def test_pipes_devices_folders_and_missing_files_are_unreadable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "missing"):
        with pytest.raises(DecodeError) as caught:
            read_photograph(path)
        assert caught.value.code == "image_unreadable"


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DecodeError) as caught:
        read_photograph(tmp_path / "huge.jpg")
    assert caught.value.code == "image_too_large"
