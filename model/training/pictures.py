"""Training pictures as one array in memory, and the random views that are cut from them."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from model.errors import BadRecipe
from model.framing import Framing

Number = TypeVar("Number", bound=np.generic)
SUFFIXES = {".webp", ".jpg", ".jpeg", ".png"}


def list_pictures(folder: Path) -> list[Path]:
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not pictures:
        raise BadRecipe(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return pictures


def load_pictures(paths: Sequence[Path], *, framing: Framing, folder: Path) -> NDArray[np.uint8]:
    """The pictures framed, as one memory-mapped array [N, side, side, 3], decoded only once, unless a file changes."""
    name = f"pictures-{digest([repr(framing), *map(_version, paths)])}"
    shape = (len(paths), framing.side, framing.side, 3)
    return computed_once(folder / f"{name}.npy", shape, np.uint8, lambda: (_framed(path, framing) for path in paths))


def _version(path: Path) -> str:
    found = path.stat()
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _framed(path: Path, framing: Framing) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except Exception as error:  # over a damaged file a decoder raises anything
        raise BadRecipe(f"{path} cannot be decoded: replace it, or take it out of the training: {error}") from error
    resized = upright.resize(framing.resized(*upright.size), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop(framing.window(*upright.size)))[None]


def computed_once(
    path: Path, shape: tuple[int, ...], dtype: type[Number], compute: Callable[[], Iterable[NDArray[Number]]]
) -> NDArray[Number]:
    """A memory-mapped array that is filled from one end to the other, unless a file has it already."""
    if not path.exists():
        draft = path.with_suffix(".draft.npy")
        draft.parent.mkdir(parents=True, exist_ok=True)
        filled = np.lib.format.open_memmap(draft, mode="w+", dtype=dtype, shape=shape)
        start = 0
        for part in compute():
            filled[start : start + len(part)] = part
            start += len(part)
        filled.flush()
        draft.replace(path)
    array: NDArray[Number] = np.load(path, mmap_mode="c")
    return array


def digest(parts: Iterable[str | bytes]) -> str:
    """A short name for what was computed from these."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogateescape") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8) + data)
    return state.hexdigest()[:16]


def whole_views(pictures: NDArray[np.uint8]) -> Tensor:
    """The pictures as they are: [N, H, W, 3] -> [N, 3, H, W] float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255


def random_views(pictures: NDArray[np.uint8], *, side: int, smallest: float, generator: np.random.Generator) -> Tensor:
    """Random crops (area `smallest`..1), mirrored half of the time, with light colour changes.

    pictures [N, H, W, 3] -> [N, 3, side, side] float32 in 0..1.
    """
    crops = [_random_crop(torch.from_numpy(one), side, smallest, generator) for one in pictures]
    return _recoloured(torch.cat(crops).float() / 255, generator)


def _random_crop(picture: Tensor, side: int, smallest: float, generator: np.random.Generator) -> Tensor:
    full_height, full_width, _ = picture.shape
    area, stretch = generator.uniform(smallest, 1.0), np.exp(generator.uniform(-0.25, 0.25) / 2)
    height = round(full_height * min(1.0, np.sqrt(area) / stretch))
    width = round(full_width * min(1.0, np.sqrt(area) * stretch))
    top = int(generator.integers(full_height - height + 1))
    left = int(generator.integers(full_width - width + 1))
    crop = picture[top : top + height, left : left + width].permute(2, 0, 1)[None]  # [1, 3, height, width]
    crop = F.interpolate(crop, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return crop.flip(-1) if generator.random() < 0.5 else crop


def _recoloured(views: Tensor, generator: np.random.Generator) -> Tensor:
    """Brightness, contrast and saturation as one affine map of the three channels, one for each view."""
    n, _, height, width = views.shape
    brightness, contrast, saturation = torch.from_numpy(generator.uniform(0.75, 1.3, (3, n, 1, 1))).float()
    mixing = saturation * torch.eye(3) + (1 - saturation) / 3  # [N, 3, 3]
    centre = views[:, :, ::8, ::8].mean(dim=(1, 2, 3)).view(n, 1, 1)
    pixels = torch.baddbmm((1 - contrast) * centre * brightness, mixing * contrast * brightness, views.flatten(2))
    return pixels.clamp_(0, 1).view(n, 3, height, width)
