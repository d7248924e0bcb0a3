"""The CAMERA or VSRN that a recipe begins with: its first weights, and what it reads sentences with."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from model.checkpoint import VOCABULARY, fingerprint, load_weights, read_config, save_camera, save_vsrn
from model.errors import BadRecipe
from model.selfalign.camera import Camera
from model.selfalign.config import CameraConfig, VsrnConfig
from model.selfalign.vocabulary import Vocabulary, read_vocabulary
from model.selfalign.vsrn import Vsrn
from model.selfalign.word_pieces import WordPieces
from model.training.building import bert_sizes, load_bert, word_pieces
from model.training.recipe import ModelTable
from model.training.selfalign.words import learn_words
from model.training.text_encoders import place_of


@dataclass(frozen=True, slots=True)
class CameraBeginning:
    network: Camera
    pieces: WordPieces
    origin: str  # see model/training/building.py

    @property
    def module(self) -> nn.Module:
        return self.network

    def save(self, folder: Path, *, name: str, dtype: torch.dtype) -> None:
        save_camera(folder, name=name, camera=self.network, pieces=self.pieces, dtype=dtype)


@dataclass(frozen=True, slots=True)
class VsrnBeginning:
    network: Vsrn
    words: Vocabulary
    origin: str

    @property
    def module(self) -> nn.Module:
        return self.network

    def save(self, folder: Path, *, name: str, dtype: torch.dtype) -> None:
        save_vsrn(folder, name=name, vsrn=self.network, words=self.words, dtype=dtype)


def build_camera(
    table: ModelTable, config: CameraConfig, captions: Iterable[str], *, root: Path, text: Path
) -> CameraBeginning:
    bert = place_of(table.bert, root) if table.bert is not None else None
    place, told = word_pieces(table, bert, captions, text)
    pieces = WordPieces(place)
    torch.manual_seed(0)
    try:
        network = Camera(replace(config, bert=bert_sizes(config.bert, bert, len(pieces))))
    except (ValueError, ZeroDivisionError) as error:
        raise BadRecipe(f"no CAMERA has these sizes: {error}") from error
    if bert is not None:
        load_bert(network.sentence_side.bert, bert)
    return CameraBeginning(network, pieces, origin=told)


def build_vsrn(table: ModelTable, config: VsrnConfig, captions: Iterable[str]) -> VsrnBeginning:
    words = learn_words(captions, least=table.least_count)
    torch.manual_seed(0)
    return VsrnBeginning(Vsrn(replace(config, vocabulary=len(words))), words, origin="")


def camera_of(folder: Path) -> CameraBeginning:
    """A checkpoint to go on from."""
    network = Camera(CameraConfig.from_json(read_config(folder)["camera"]))
    load_weights(folder, {"camera": network})
    return CameraBeginning(network, WordPieces(folder), origin=fingerprint(folder))


def vsrn_of(folder: Path) -> VsrnBeginning:
    network = Vsrn(VsrnConfig.from_json(read_config(folder)["vsrn"]))
    load_weights(folder, {"vsrn": network})
    return VsrnBeginning(network, read_vocabulary(folder / VOCABULARY), origin=fingerprint(folder))
