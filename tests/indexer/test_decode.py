"""Bytes that are a photograph become the right pixels."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.decode import THUMBNAIL_SIDE, decode, upright
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


def halves(left: object, right: object, mode: str) -> Image.Image:
    image = Image.new(mode, (64, 64), left)
    image.paste(right, (32, 0, 64, 64))
    return image


def colours(data: bytes) -> tuple[list[int], list[int]]:
    """What the left and the right half of a decoded picture look like."""
    pixels = decode(data, framing=Framing(32)).pixels
    return pixels[16, 4].tolist(), pixels[16, 28].tolist()


def test_what_is_drawn_on_is_what_was_decoded():
    image = Image.fromarray(np.full((40, 60), 512, np.uint16))  # two grey levels of 256 above black
    buffer = BytesIO()
    image.save(buffer, "PNG")
    assert upright(buffer.getvalue()).getpixel((5, 5)) == (2, 2, 2)
    turned, exif = Image.new("RGB", (60, 40)), Image.Exif()
    exif[0x0112] = 6
    buffer = BytesIO()
    turned.save(buffer, "JPEG", exif=exif)
    assert upright(buffer.getvalue()).size == (40, 60)


def test_pixels_are_those_of_plain_resizing() -> None:
    image = photo(500, 375)
    expected = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC))
    decoded = decode(encoded(image, "PNG"), framing=Framing(224))
    assert (decoded.width, decoded.height) == (500, 375)
    assert np.array_equal(decoded.pixels, expected)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_a_large_photograph_loses_nothing_by_the_quick_way(file_format: str) -> None:
    noise = np.random.default_rng(0).normal(0, 8, (1500, 2000, 3))
    image = Image.fromarray(np.clip(np.asarray(photo(2000, 1500)) + noise, 0, 255).astype(np.uint8))
    data = encoded(image, file_format)
    slow = Image.open(BytesIO(data)).convert("RGB").resize((128, 128), Image.Resampling.BICUBIC)
    difference = decode(data, framing=Framing(128)).pixels.astype(float) - np.asarray(slow)
    assert np.sqrt((difference**2).mean()) < 1.0


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_is_taken(file_format: str) -> None:
    image = photo()
    expected = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(decode(encoded(image, file_format), framing=Framing(32)).pixels - expected)
    assert difference.mean() < 5


@pytest.mark.parametrize("size", [(300, 200), (200, 301), (200, 200), (60, 1100)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_model_that_cuts_gets_the_middle_of_the_upright_picture(size: tuple[int, int], orientation: int) -> None:
    exif, upright = Image.Exif(), photo(*size)
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(stored_as(np.asarray(upright), orientation)))
    decoded = decode(encoded(stored, "PNG", exif=exif.tobytes()), framing=Framing(56, shorter_side=64))
    shorter = min(size)
    resized = upright.resize((64 * size[0] // shorter, 64 * size[1] // shorter), Image.Resampling.BILINEAR)
    left, top = round((resized.width - 56) / 2), round((resized.height - 56) / 2)
    expected = np.asarray(resized.crop((left, top, left + 56, top + 56))).astype(int)
    assert (decoded.width, decoded.height) == size
    assert np.abs(decoded.pixels - expected).max() <= 3  # large ones are first reduced quickly


def test_grey_palette_and_single_bit_pictures_become_rgb() -> None:
    black, white = [0, 0, 0], [255, 255, 255]
    assert colours(encoded(halves(0, 255, "L"), "PNG")) == (black, white)
    assert colours(encoded(halves(0, 255, "L").convert("P"), "GIF")) == (black, white)
    assert colours(encoded(halves(0, 1, "1"), "PNG")) == (black, white)
    assert colours(encoded(halves((255, 0, 0), (0, 0, 255), "RGB").quantize(4), "PNG")) == ([255, 0, 0], [0, 0, 255])


def test_cmyk_is_converted() -> None:
    left, right = colours(encoded(halves((0, 0, 0, 0), (0, 255, 255, 0), "CMYK"), "JPEG", quality=95))
    assert min(left) > 250  # no ink is white paper
    assert right[0] > 250 and max(right[1:]) < 5  # magenta and yellow make red


def test_transparent_parts_become_white() -> None:
    on_white = ([255, 255, 255], [255, 0, 0])
    cut_out = halves((0, 255, 0, 0), (255, 0, 0, 255), "RGBA")
    assert colours(encoded(cut_out, "PNG")) == on_white
    assert colours(encoded(halves((10, 0), (10, 255), "LA"), "PNG")) == ([255] * 3, [10] * 3)
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([0, 255, 0, 255, 0, 0])
    palette.paste(1, (32, 0, 64, 64))
    assert colours(encoded(palette, "PNG", transparency=0)) == on_white
    assert colours(encoded(palette, "PNG", transparency=b"\x00\xff")) == on_white
    assert colours(encoded(palette, "GIF", transparency=0)) == on_white


def test_half_transparent_parts_are_mixed_with_white() -> None:
    left, _ = colours(encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 128)), "PNG"))
    assert left == [127, 127, 127]


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(file_format: str) -> None:
    values = np.full((64, 64), 0x4000, dtype=np.uint16)
    values[:, 32:] = 0xFFFF
    assert colours(encoded(Image.fromarray(values), file_format)) == ([64] * 3, [255] * 3)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_without_an_agreed_white_are_stretched(kind: type) -> None:
    values = np.full((64, 64), -1000, dtype=kind)
    values[:, 32:] = 70_000
    assert colours(encoded(Image.fromarray(values), "TIFF")) == ([0] * 3, [255] * 3)
    assert len(set(map(tuple, colours(encoded(Image.fromarray(values * 0), "TIFF"))))) == 1


def test_floats_that_are_no_numbers_spoil_nothing() -> None:
    values = np.zeros((64, 64), dtype=np.float32)
    values[:, 32:] = 0.5
    values[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
    assert colours(encoded(Image.fromarray(values), "TIFF")) == ([0] * 3, [255] * 3)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_several_frames_the_first_counts(file_format: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    left, right = colours(data)
    assert left == right
    assert left[0] > 240 and max(left[1:]) < 15


def stored_as(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """EXIF's table: which side of the upright picture the stored first row and first column are."""
    return {
        1: upright,  # top, left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.swapaxes(0, 1),  # left, top
        6: upright[:, ::-1].swapaxes(0, 1),  # right, top
        7: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
        8: upright[::-1].swapaxes(0, 1),  # left, bottom
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(file_format: str, orientation: int) -> None:
    upright = np.asarray(photo(300, 200))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(stored_as(upright, orientation)))
    decoded = decode(encoded(stored, file_format, exif=exif.tobytes()), framing=Framing(32))
    expected = np.asarray(Image.fromarray(upright).resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    assert (decoded.width, decoded.height) == (300, 200)
    assert np.abs(decoded.pixels - expected).mean() < 5
    assert Image.open(BytesIO(decoded.thumbnail)).size == (300, 200)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0" + bytes(65_000)])
def test_damaged_exif_leaves_the_picture_as_it_is(exif: bytes) -> None:
    assert np.array_equal(
        decode(encoded(photo(), "JPEG", exif=exif), framing=Framing(32)).pixels,
        decode(encoded(photo(), "JPEG"), framing=Framing(32)).pixels,
    )


@pytest.mark.parametrize(
    ("size", "expected"), [((640, 480), (320, 240)), ((100, 1000), (32, 320)), ((90, 60), (90, 60))]
)
def test_the_thumbnail_keeps_the_aspect_and_never_enlarges(size: tuple[int, int], expected: tuple[int, int]) -> None:
    thumbnail = Image.open(BytesIO(decode(encoded(photo(*size), "JPEG"), framing=Framing(32)).thumbnail))
    assert thumbnail.format == "WEBP"
    assert thumbnail.size == expected
    assert max(thumbnail.size) <= THUMBNAIL_SIDE


def test_the_thumbnail_looks_like_the_picture_and_tells_nothing_else() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Somebody's camera"
    data = encoded(photo(640, 480), "JPEG", exif=exif.tobytes(), icc_profile=b"profile", comment="secret")
    thumbnail = Image.open(BytesIO(decode(data, framing=Framing(32)).thumbnail))
    assert not {"exif", "icc_profile", "comment", "xmp"} & set(thumbnail.info)
    difference = np.asarray(thumbnail.convert("RGB")).astype(int) - np.asarray(photo(320, 240))
    assert np.abs(difference).mean() < 4
