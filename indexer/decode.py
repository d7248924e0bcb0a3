"""From the bytes of a photograph to what the index needs of it: upright, in RGB, framed as an encoder asks for.

The bytes are not trusted: whatever they hold, the outcome is pixels or a DecodeError. Time and memory are bounded by
the process that decodes (decode_process.py); it imports this module, which has to stay quick to import.
"""

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from indexer.errors import DecodeCode, DecodeError
from indexer.index.records import content_id
from model.framing import Framing

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # the first frame or page, where there are several
THUMBNAIL_SIDE = 320
WEBP_QUALITY, WEBP_METHOD = 80, 2  # method 4, Pillow's own choice, takes twice the time for 2 % fewer bytes
# Large pictures are first reduced quickly to so many times the size wanted; against full filtering, 54 dB and more.
DRAFT_GAP, REDUCING_GAP = 2, 3.0

TRANSPOSE_OF = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UPRIGHT, SIDEWAYS = 1, frozenset({5, 6, 7, 8})  # values of EXIF's Orientation


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    max_bytes: int = 64 * 2**20
    max_pixels: int = 64_000_000  # Pillow refuses pictures of more than 178 million by itself
    min_side: int = 16
    max_aspect: float = 20.0


DEFAULT_LIMITS = DecodeLimits()


@dataclass(frozen=True, slots=True)
class Decoded:
    content: str  # the content id of the bytes that were decoded
    pixels: NDArray[np.uint8]  # [side, side, 3], RGB
    width: int  # pixels of the upright original
    height: int
    thumbnail: bytes  # WebP, upright, not squashed, without metadata


def decode(data: bytes, *, framing: Framing, limits: DecodeLimits = DEFAULT_LIMITS) -> Decoded:
    """Check, decode and convert one photograph; colour profiles are ignored, transparent parts become white."""
    _check_byte_count(len(data), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow warns of is either checked here or harmless
        with _open(data, limits) as image:
            width, height = image.size
            _check_size(width, height, limits)
            framed_size, thumbnail_size = framing.resized(width, height), _fit(width, height, THUMBNAIL_SIDE)
            with _blame(DecodeCode.TRUNCATED, f"the {image.format} data is cut short or damaged", limits):
                # A JPEG is decoded at a half, a quarter or an eighth of its size where that is large enough.
                across, down = (max(sizes) for sizes in zip(framed_size, thumbnail_size, strict=True))
                image.draft(None, (DRAFT_GAP * across, DRAFT_GAP * down))
                image.load()
            orientation = _orientation(image)
            with _blame(DecodeCode.UNSUPPORTED, f"{image.format} in mode {image.mode} is not converted", limits):
                rgb = _as_rgb(image)
    if orientation in SIDEWAYS:
        width, height = height, width
    # Models that cut were trained on Pillow's bilinear filter.
    filtering = Image.Resampling.BILINEAR if framing.is_crop else Image.Resampling.BICUBIC
    framed = _resized(rgb, framed_size, orientation, filtering).crop(framing.window(width, height))
    thumbnail = _as_webp(_resized(rgb, thumbnail_size, orientation))
    return Decoded(content_id(data), np.array(framed), width, height, thumbnail)


def upright(data: bytes) -> Image.Image:
    """The photograph in full size and the colours that were decoded; only for what `decode` did not refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            image.load()
            return _turned(_as_rgb(image), _orientation(image))


def read_photograph(path: Path, *, limits: DecodeLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of a regular file of allowed size; a pipe or a device is refused without waiting on it."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DecodeError(DecodeCode.UNREADABLE, "this is not a regular file")
            _check_byte_count(status.st_size, limits)
            return file.read(limits.max_bytes + 1)  # it may have grown since
    except OSError as error:
        raise DecodeError(DecodeCode.UNREADABLE, f"the file cannot be read: {error.strerror}") from error


def _check_byte_count(count: int, limits: DecodeLimits) -> None:
    if count == 0:
        raise DecodeError(DecodeCode.EMPTY, "the file is empty")
    if count > limits.max_bytes:
        raise DecodeError(
            DecodeCode.TOO_LARGE, f"the file has {count:,} bytes; the limit is {limits.max_bytes:,} bytes"
        )


def _open(data: bytes, limits: DecodeLimits) -> Image.Image:
    if size := _webp_size(data):  # Pillow tells it only after it has reserved the memory
        _check_size(*size, limits)
    with _blame(DecodeCode.TRUNCATED, "the beginning of the file is cut short or damaged", limits):
        try:
            return Image.open(BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            message = f"this is not recognised as a picture of one of the formats {', '.join(FORMATS)}"
            raise DecodeError(DecodeCode.UNSUPPORTED, message) from None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height as the first chunk of a WebP has them (RFC 9649, sections 2.5 to 2.7)."""
    match data[:4], data[8:16], len(data) >= 30:
        case b"RIFF", b"WEBPVP8X", True:
            return 1 + _little_endian(data[24:27]), 1 + _little_endian(data[27:30])
        case b"RIFF", b"WEBPVP8L", True:
            packed = _little_endian(data[21:25])
            return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"RIFF", b"WEBPVP8 ", True:
            return _little_endian(data[26:28]) & 0x3FFF, _little_endian(data[28:30]) & 0x3FFF
    return None


def _little_endian(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    size = f"the picture is {width} x {height} pixels"
    if min(width, height) < limits.min_side:
        raise DecodeError(DecodeCode.TOO_SMALL, f"{size}; both sides must have at least {limits.min_side}")
    if width * height > limits.max_pixels:
        raise DecodeError(DecodeCode.TOO_LARGE, f"{size}; the limit is {limits.max_pixels / 1e6:g} megapixels")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise DecodeError(
            DecodeCode.UNSUPPORTED, f"{size}; one side may be {limits.max_aspect:g} times the other at most"
        )


@contextmanager
def _blame(code: DecodeCode, what: str, limits: DecodeLimits) -> Iterator[None]:
    """Whatever Pillow raises, as a DecodeError; lack of memory alone is left to the process."""
    try:
        yield
    except (DecodeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        message = f"the picture declares far more than the limit of {limits.max_pixels / 1e6:g} megapixels"
        raise DecodeError(DecodeCode.TOO_LARGE, message) from error
    except Exception as error:  # over hostile bytes a decoder raises anything
        raise DecodeError(code, f"{what}: {str(error)[:200]}") from error


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001  damaged EXIF does not say which way is up
        return UPRIGHT
    return orientation if isinstance(orientation, int) else UPRIGHT


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = _stretched(image)
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    cut_out = image.convert("RGBA")
    on_white = Image.new("RGB", image.size, "white")
    on_white.paste(cut_out, mask=cut_out)
    return on_white


def _stretched(image: Image.Image) -> Image.Image:
    """Numbers that no convention says the white of: the least becomes black, the greatest white."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return Image.fromarray(np.interp(values, (values.min(), values.max()), (0, 255)).astype(np.uint8))


def _resized(
    image: Image.Image,
    size: tuple[int, int],
    orientation: int,
    filtering: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    return _turned(image.resize(size, filtering, reducing_gap=REDUCING_GAP), orientation)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    transpose = TRANSPOSE_OF.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def _fit(width: int, height: int, side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _as_webp(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=WEBP_METHOD)
    return buffer.getvalue()
