"""The HAT that a recipe begins with: sizes and first weights of both sides, and its vocabulary."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from transformers import SwinModel

from model.checkpoint import fingerprint, load_weights, read_config, save_hat
from model.errors import BadRecipe
from model.hat.config import HatConfig, SwinSizes
from model.hat.network import Hat
from model.teran.tokenizer import Tokenizer
from model.training.building import bert_sizes, load_bert, word_pieces
from model.training.origins import content_of
from model.training.recipe import ModelTable
from model.training.text_encoders import place_of

PROJECTION_STD = 0.02  # as published


@dataclass(frozen=True, slots=True)
class HatBeginning:
    network: Hat
    tokenizer: Tokenizer
    origin: str  # see model/training/building.py

    @property
    def module(self) -> nn.Module:
        return self.network

    def save(self, folder: Path, *, name: str, dtype: torch.dtype) -> None:
        save_hat(folder, name=name, networks=[self.network], tokenizer=self.tokenizer, dtype=dtype)


def build_hat(table: ModelTable, config: HatConfig, captions: Iterable[str], *, root: Path, text: Path) -> HatBeginning:
    bert = place_of(table.bert, root) if table.bert is not None else None
    swin = place_of(table.swin, root) if table.swin is not None else None
    place, pieces = word_pieces(table, bert, captions, text)
    tokenizer = Tokenizer(place)
    torch.manual_seed(0)
    try:
        pretrained = SwinModel.from_pretrained(swin, add_pooling_layer=False) if swin is not None else None
        sizes = config.swin if pretrained is None else _sizes_of(pretrained, drop_path=config.swin.drop_path)
        network = Hat(replace(config, swin=sizes, bert=bert_sizes(config.bert, bert, tokenizer.size)))
    except (OSError, ValueError, ZeroDivisionError) as error:
        raise BadRecipe(f"no HAT has these sizes or begins so: {error}") from error
    for projection in (*network.image_side.projections, *network.sentence_side.projections):
        nn.init.normal_(projection.weight, std=PROJECTION_STD)
        nn.init.zeros_(projection.bias)
    if pretrained is not None:
        network.image_side.swin.load_state_dict(pretrained.state_dict())
    if bert is not None:
        load_bert(network.sentence_side.bert, bert)
    return HatBeginning(network, tokenizer, origin=f"{pieces} {swin and content_of(swin)}")


def hat_of(folder: Path) -> HatBeginning:
    """A checkpoint to go on from."""
    config = read_config(folder)
    if len(config["hat"]) != 1:
        raise BadRecipe(f"{folder} is an ensemble: its networks are trained one by one")
    network = Hat(HatConfig.from_json(config["hat"][0]))
    load_weights(folder, {"hat0": network})
    return HatBeginning(network, Tokenizer(folder), origin=fingerprint(folder))


def _sizes_of(swin: SwinModel, *, drop_path: float) -> SwinSizes:
    found = swin.config
    sizes = SwinSizes(found.embed_dim, tuple(found.depths), tuple(found.num_heads), found.window_size, drop_path)
    if found.image_size != sizes.picture_side:
        raise ValueError(
            f"its pictures are {found.image_size} across, where {sizes.picture_side} follow from its window"
        )
    return sizes
