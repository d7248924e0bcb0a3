"""Import of TERAN's published checkpoints (`*.pth.tar`), without running anything that is pickled in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig

from model.checkpoint import copy_strictly, save_checkpoint, weights_once
from model.errors import BadCheckpoint
from model.published_file import read_published_file, renamed
from model.scoring import Pooling
from model.teran.config import AggregationKind, BertSizes, BoxEncodingKind, TeranConfig
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer

# Published names -> ours.
RENAMED = {
    "txt_enc.bert_model.": "sentence_side.bert.",
    "cap_proj.": "sentence_side.projection.",
    "img_enc.pos_encoding_image.": "image_side.box_encoding.",
    "img_enc.transformer_encoder.": "image_side.transformer.",
    "img_proj.": "image_side.projection.",
    "transformer_encoder_1.": "sentence_joint.",
    "transformer_encoder_2.": "image_joint.",
    "text_aggregation.": "text_aggregation.",
    "image_aggregation.": "image_aggregation.",
    "text_aggregation.gated_aggr.gate_fn.": "text_aggregation.gate.",
    "text_aggregation.gated_aggr.node_fn.": "text_aggregation.node.",
    "text_aggregation.gru_aggr.": "text_aggregation.gru.",
    "image_aggregation.gated_aggr.gate_fn.": "image_aggregation.gate.",
    "image_aggregation.gated_aggr.node_fn.": "image_aggregation.node.",
    "image_aggregation.gru_aggr.": "image_aggregation.gru.",
}
# Saved with every published model, used by none: results that are overwritten, and a second copy of the word table.
UNUSED = (
    "txt_enc.map.",
    "img_enc.fc.",
    "txt_enc.bert_model.pooler.",
    "txt_enc.word_embeddings.",
    "txt_enc.bert_model.embeddings.position_ids",
)
PREFIX = "img_txt_enc."


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    config: Mapping[str, Any]  # the nested configuration it was trained with
    weights: Mapping[str, Tensor]  # by published names


def read_published(path: Path) -> PublishedCheckpoint:
    match read_published_file(path):
        case {"model": dict() as weights, "config": dict() as config}:
            return PublishedCheckpoint(config, weights)
    raise BadCheckpoint(f"{path} is not a TERAN checkpoint: it must hold `model` and `config`")


def import_published(
    checkpoint: Path, folder: Path, *, bert: Path | str | None = None, stopwords: tuple[str, ...] = ()
) -> None:
    """Convert to a folder of our own format; `bert` as in published_bert_sizes. It encodes region features alone."""
    published = read_published(checkpoint)
    sizes = published_bert_sizes(published.config, bert=bert)
    network = Teran(published_config(published.config, bert=sizes, stopwords=stopwords))
    load_published_weights(network, published.weights)
    tokenizer = Tokenizer(bert or published.config["text-model"]["pretrain"])
    name = checkpoint.name.removesuffix(".tar").removesuffix(".pth")
    save_checkpoint(folder, name=name, teran=network, regions=None, tokenizer=tokenizer, dtype=torch.float32)


def published_config(config: Mapping[str, Any], *, bert: BertSizes, stopwords: tuple[str, ...] = ()) -> TeranConfig:
    """Ours from the published nested configuration; sizes that it leaves to BERT come in `bert`."""
    try:
        image, text, model = config["image-model"], config["text-model"], config["model"]
        if text.get("layers", 0):
            raise BadCheckpoint("text-model.layers is not 0: no published configuration has a text transformer")
        if model.get("exclude-stopwords") and not stopwords:
            raise BadCheckpoint("it leaves stop words out of the score, and a checkpoint does not say which: name them")
        return TeranConfig(
            feature_width=image["feat-dim"],
            embedding_width=model["embed-size"],
            image_layers=image["transformer-layers"],
            joint_layers=model["layers"],
            dropout=model["dropout"],
            box_encoding=BoxEncodingKind(image["pos-encoding"] or "none"),
            shared_joint=bool(model["shared-transformer"]),
            text_aggregation=AggregationKind(model["text-aggregation"]),
            image_aggregation=AggregationKind(model["image-aggregation"]),
            pooling=Pooling(config["training"]["alignment-mode"]),
            stopwords=stopwords if model.get("exclude-stopwords") else (),
            bert=bert,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"this is not a published TERAN configuration: {error!r}") from error


def published_bert_sizes(config: Mapping[str, Any], *, bert: Path | str | None = None) -> BertSizes:
    """The sizes of the BERT in a folder or on the hub; if none is given, of the one that the configuration names."""
    layers, name = int(config["text-model"]["extraction-hidden-layer"]), str(bert or config["text-model"]["pretrain"])
    if name == "bert-base-uncased" and not Path(name).is_dir():
        return BertSizes(layers=layers)  # that of all published models: its sizes are known without the hub
    return read_bert_sizes(name, layers=layers)


def read_bert_sizes(name: str, *, layers: int) -> BertSizes:
    """Of the BERT in a folder or on the hub, cut to its first `layers`."""
    try:
        found = AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"the sizes of BERT cannot be read from {name}: {error}") from error
    return BertSizes(
        vocabulary=found.vocab_size,
        width=found.hidden_size,
        layers=layers,
        heads=found.num_attention_heads,
        feedforward=found.intermediate_size,
        positions=found.max_position_embeddings,
        token_types=found.type_vocab_size,
        layer_norm_eps=found.layer_norm_eps,
    )


def load_published_weights(network: Teran, weights: Mapping[str, Tensor]) -> None:
    """Put weights under published names into `network`; every name must be known, present and of the right shape."""
    used = {name: value for name, value in weights.items() if not name.removeprefix(PREFIX).startswith(UNUSED)}
    copy_strictly(renamed(used, RENAMED, system="TERAN", prefix=PREFIX), weights_once(network))
