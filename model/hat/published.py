"""Import of HAT's published checkpoints (`*.ckpt` of PyTorch Lightning), without running what is pickled in them."""

import itertools
import math
import pickletools
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig

from model.checkpoint import copy_strictly, save_hat, weights_once
from model.cross_attention import Direction
from model.errors import BadCheckpoint
from model.hat.config import HatConfig, SwinSizes
from model.hat.encoder import HatEncoder
from model.hat.network import Hat
from model.published_file import read_published_file
from model.teran.config import BertSizes
from model.teran.tokenizer import Tokenizer

# Beginnings of published names -> ours.
RENAMED = {
    "cross_modal_image_transform_1.": "image_side.projections.0.",
    "cross_modal_image_transform_2.": "image_side.projections.1.",
    "cross_modal_image_transform.": "image_side.projections.2.",
    "cross_modal_text_transform_1.": "sentence_side.projections.0.",
    "cross_modal_text_transform_2.": "sentence_side.projections.1.",
    "cross_modal_text_transform.": "sentence_side.projections.2.",
    "text_transformer.": "sentence_side.bert.",
    "vit_model.norm_1.": "image_side.norms.0.",
    "vit_model.norm_2.": "image_side.norms.1.",
    "vit_model.norm.": "image_side.swin.layernorm.",
    "vit_model.patch_embed.proj.": "image_side.swin.embeddings.patch_embeddings.projection.",
    "vit_model.patch_embed.norm.": "image_side.swin.embeddings.norm.",
    "vit_model.layers.": "image_side.swin.encoder.layers.",
}
RENAMED_IN_BLOCKS = {
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
    ".attn.proj.": ".attention.o_proj.",
    ".attn.relative_position_bias_table": ".attention.relative_position_bias.relative_position_bias_table",
}
JOINED, APART = ".attn.qkv.", (".attention.q_proj.", ".attention.k_proj.", ".attention.v_proj.")
# Buffers that follow from the sizes, and what is saved with every published model and used by none.
UNUSED = re.compile(
    r"relative_position_index$|attn_mask$|^vit_model\.norm_0\.|^text_transformer\.pooler\.|position_ids$"
)


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    config: Mapping[str, Any]  # the settings it was trained with
    weights: Mapping[str, Tensor]  # by published names


class StandIn:
    """In place of whatever a checkpoint names that is not known here: it takes everything and does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def is_published(path: Path) -> bool:
    """Whether a file names the weights of a HAT; nothing of it is loaded."""
    try:
        with zipfile.ZipFile(path) as archive:
            (pickled,) = [archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl")]
        return any(str(argument).startswith("vit_model.") for _, argument, _ in pickletools.genops(pickled))
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def read_published(path: Path) -> PublishedCheckpoint:
    """Read tensors and plain data; every class and function that is named beside them is replaced by a stand-in."""
    match read_published_file(path, known=_stand_ins):
        case {"state_dict": dict() as weights, "hyper_parameters": {"config": dict() as config}}:
            if all(isinstance(value, Tensor) for value in weights.values()):
                return PublishedCheckpoint(config, weights)
    raise BadCheckpoint(f"{path} is not a HAT checkpoint: it must hold `state_dict` and `hyper_parameters`")


def _stand_ins(path: Path) -> list[Any]:
    unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    return [(type("StandIn", (StandIn,), {}), name) for name in unknown]


def import_published(checkpoints: Sequence[Path], folder: Path, *, bert: Path | str | None = None) -> None:
    """Convert to a folder of our own format; of several, one trained for each direction, the mean score counts.

    `bert` is the folder or hub name of the BERT that the text side began as, if not the one that they name.
    """
    networks, named = [], ""
    for path in checkpoints:
        published = read_published(path)
        named = str(bert or published.config.get("tokenizer", "bert-base-uncased"))
        network = Hat(published_config(published, text_heads=text_heads(published.weights, bert=named)))
        load_published_weights(network, published.weights)
        networks.append(network)
    name, tokenizer = "+".join(path.name.removesuffix(".ckpt") for path in checkpoints), Tokenizer(named)
    # Refuses what does not fit together before anything is written.
    HatEncoder(networks, tokenizer, name=name, fingerprint="")
    save_hat(folder, name=name, networks=networks, tokenizer=tokenizer, dtype=torch.float32)


def published_config(published: PublishedCheckpoint, *, text_heads: int) -> HatConfig:
    """Sizes are those of the weights; the settings say the rest."""
    try:
        return HatConfig(
            width=len(published.weights["cross_modal_text_transform.weight"]),
            swin=_swin_sizes(published.weights),
            bert=_bert_sizes(published.weights, heads=text_heads),
            longest_sentence=int(published.config.get("max_text_len", 32)),
            directions=(Direction(published.config["direction"]),),
            lambda_softmax=float(published.config["lambda_softmax"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"this is not a published HAT: {error!r}") from error


def text_heads(weights: Mapping[str, Tensor], *, bert: str) -> int:
    """Heads leave no trace in weights: the folder `bert` says how many, or they have 64 numbers each, as in BERT."""
    if not (Path(bert) / "config.json").is_file():
        return max(1, _word_table(weights).shape[-1] // 64)
    try:
        return int(AutoConfig.from_pretrained(bert).num_attention_heads)
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"the sizes of BERT cannot be read from {bert}: {error}") from error


def load_published_weights(network: Hat, weights: Mapping[str, Tensor]) -> None:
    """Put weights under published names into `network`; every name must be known, present and of the right shape."""
    ours: dict[str, Tensor] = {}
    for name, value in weights.items():
        names = our_names(name)
        parts = value.tensor_split(len(names)) if len(names) > 1 else [value] * len(names)
        ours |= dict(zip(names, parts, strict=True))
    copy_strictly(ours, weights_once(network))


def our_names(published: str) -> tuple[str, ...]:
    """None for what is not used, several for what is one tensor there and several here, one after the other."""
    if UNUSED.search(published):
        return ()
    for theirs, ours in RENAMED.items():
        if published.startswith(theirs):
            name = ours + published.removeprefix(theirs)
            if theirs == "vit_model.layers.":
                for inner, our_inner in RENAMED_IN_BLOCKS.items():
                    name = name.replace(inner, our_inner)
            return tuple(name.replace(JOINED, part) for part in APART) if JOINED in name else (name,)
    raise BadCheckpoint(f"{published} is not a name of a published HAT")


def _swin_sizes(weights: Mapping[str, Tensor]) -> SwinSizes:
    table = "vit_model.layers.{}.blocks.{}.attn.relative_position_bias_table"
    depths = tuple(
        next(block for block in itertools.count() if table.format(stage, block) not in weights) for stage in range(4)
    )
    tables = [weights[table.format(stage, 0)] for stage in range(4)]  # [(2 * window - 1) ** 2, heads] each
    return SwinSizes(
        width=len(weights["vit_model.patch_embed.norm.weight"]),
        depths=depths,
        heads=tuple(one.shape[1] for one in tables),
        window=(math.isqrt(len(tables[0])) + 1) // 2,
    )


def _bert_sizes(weights: Mapping[str, Tensor], *, heads: int) -> BertSizes:
    inner = "text_transformer.encoder.layer.{}.intermediate.dense.weight"
    vocabulary, width = _word_table(weights).shape
    return BertSizes(
        vocabulary=vocabulary,
        width=width,
        layers=next(layer for layer in itertools.count() if inner.format(layer) not in weights),
        heads=heads,
        feedforward=len(weights[inner.format(0)]),
        positions=len(weights["text_transformer.embeddings.position_embeddings.weight"]),
        token_types=len(weights["text_transformer.embeddings.token_type_embeddings.weight"]),
    )


def _word_table(weights: Mapping[str, Tensor]) -> Tensor:
    try:
        return weights["text_transformer.embeddings.word_embeddings.weight"]
    except KeyError as error:
        raise BadCheckpoint("this is not a published HAT: it has no table of words") from error
