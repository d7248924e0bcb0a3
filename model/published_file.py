"""Files that the authors of a system published (`*.pth.tar`), read without running anything that is pickled in them."""

import argparse
import pickle
import warnings
from pathlib import Path

import torch

from model.errors import BadCheckpoint


def read_published_file(path: Path) -> object:
    """Read the container of any torch version; its unpickler knows tensors, plain data and `Namespace` alone."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an unusual pickle: it is read or refused, see below
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadCheckpoint(f"{path} does not exist") from error
    except pickle.UnpicklingError as error:
        raise BadCheckpoint(f"{path} holds more than weights and settings, so it is not loaded: {error}") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise BadCheckpoint(f"{path} is not a whole checkpoint: {error}") from error
    return content
