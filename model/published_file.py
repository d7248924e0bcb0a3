"""Files that the authors of a system published, read without running anything that is pickled in them."""

import pickle
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import BadCheckpoint


def read_published_file(path: Path, *, known: Callable[[Path], list[Any]] = lambda _: [Namespace]) -> object:
    """Read the container of any torch version; its unpickler knows tensors, plain data and what is `known` alone."""
    try:
        with torch.serialization.safe_globals(known(path)), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an unusual pickle: it is read or refused, see below
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadCheckpoint(f"{path} does not exist") from error
    except pickle.UnpicklingError as error:
        raise BadCheckpoint(f"{path} holds more than weights and settings, so it is not loaded: {error}") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise BadCheckpoint(f"{path} is not a whole checkpoint: {error}") from error
    return content


def renamed(
    weights: Mapping[str, Tensor], names: Mapping[str, str], *, system: str, prefix: str = ""
) -> dict[str, Tensor]:
    """Weights under our names; `names` says what a beginning becomes, and the longest that fits decides.

    All published names begin with `prefix`. Raises BadCheckpoint for one that is not known.
    """
    ours, unknown = {}, []
    for name, value in weights.items():
        bare = name.removeprefix(prefix)
        theirs = max((known for known in names if bare.startswith(known)), key=len, default=None)
        if theirs is None or not name.startswith(prefix):
            unknown.append(name)
        else:
            ours[names[theirs] + bare.removeprefix(theirs)] = torch.as_tensor(value)
    if unknown:
        raise BadCheckpoint(
            f"{len(unknown)} names are not those of a published {system}: {', '.join(sorted(unknown)[:3])}"
        )
    return ours
