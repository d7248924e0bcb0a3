"""Import of SelfAlign's published checkpoints (`model_best.pth.tar`), without running anything pickled in them."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig

from model.checkpoint import copy_strictly, save_camera, save_vsrn, weights_once
from model.errors import BadCheckpoint
from model.published_file import read_published_file, renamed
from model.selfalign.camera import Camera
from model.selfalign.config import CameraConfig, Scaling, VsrnConfig
from model.selfalign.published_vocabulary import read_published_vocabulary
from model.selfalign.vsrn import Vsrn
from model.selfalign.word_pieces import WordPieces
from model.teran.config import BertSizes

BERT = "bert-base-uncased"  # of all published models
# Published names -> ours, of the parts that come first in a file and second.
CONTEXT = {
    "ctx_fc.": "context.map.",
    "ctx_fc_bn1.": "context.whole_norm.",
    "ctx_fc_bn2.": "context.local_norm.",
    "fusion_fn.": "context.gate.",
}
ATTENTION = {
    "agsa.bns.0.": "attention.norm.",
    "agsa.att_layers.0.linears.0.": "attention.query.",
    "agsa.att_layers.0.linears.1.": "attention.key.",
    "agsa.att_layers.0.linears.2.": "attention.value.",
    "agsa.att_layers.0.fc_q.": "attention.gate_query.",
    "agsa.att_layers.0.fc_k.": "attention.gate_key.",
    "agsa.att_layers.0.fc_g.": "attention.gate.",
}
CAMERA_IMAGES = {
    "fc.": "projection.",
    "position_enc.proj.": "position.",
    "mvs.convs_dilate.": "views.convolutions.",
    "mvs.convs_fc.": "views.logits.",
}
CAMERA_SENTENCES = {"bert.": "bert.", "mapping.": "projection.", "fc1.": "inner.", "fc2.": "outer.", "bn.": "norm."}
RELATION = {"theta.": "asking.", "phi.": "asked.", "g.": "given.", "W.0.": "taken.", "W.1.": "norm."}
VSRN_IMAGES = {"fc.": "projection.", "img_rnn.": "gru.", "bn.": "norm."} | {
    f"Rs_GCN_{number}.{theirs}": f"relations.{number - 1}.{ours}"
    for number in range(1, 5)
    for theirs, ours in RELATION.items()
}
VSRN_SENTENCES = {"embed.": "words.", "local_fc.": "projection.", "rnn.": "gru."}
UNUSED = ("bert.pooler.", "bert.embeddings.position_ids")


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """The weights of both sides by their published names, without a prefix, and the options it was trained with."""

    images: Mapping[str, Tensor]
    sentences: Mapping[str, Tensor]
    options: Mapping[str, Any]

    @property
    def is_camera(self) -> bool:
        return "position_enc.proj.weight" in self.images


def is_published(path: Path) -> bool:
    """Whether a checkpoint keeps its parts in a list, as those of SelfAlign alone do."""
    match read_published_file(path):
        case {"model": list()}:
            return True
    return False


def import_published(
    checkpoint: Path, folder: Path, *, bert: Path | str | None = None, vocabulary: Path | None = None
) -> None:
    """Convert to a folder of our own format; it encodes region features alone.

    CAMERA reads word pieces of `bert`, a folder or a name on the hub; VSRN the words of `vocabulary`, a pickle file.
    """
    published = read_published(checkpoint)
    name = checkpoint.name.removesuffix(".tar").removesuffix(".pth")
    if published.is_camera:
        camera = camera_of(published, bert_heads=bert_heads(bert or BERT))
        save_camera(folder, name=name, camera=camera, pieces=WordPieces(bert or BERT), dtype=torch.float32)
    elif vocabulary is None:
        raise BadCheckpoint(f"{checkpoint} is a VSRN, and a checkpoint does not hold its words: name its vocabulary")
    else:
        words, vsrn = read_published_vocabulary(vocabulary), vsrn_of(published)
        if len(words) != vsrn.config.vocabulary:
            raise BadCheckpoint(f"{vocabulary} has {len(words)} words; {checkpoint} knows {vsrn.config.vocabulary}")
        save_vsrn(folder, name=name, vsrn=vsrn, words=words, dtype=torch.float32)


def read_published(path: Path) -> PublishedModel:
    match read_published_file(path):
        case {"model": [dict() as images, dict() as sentences, *_], "opt": Namespace() as options}:
            return PublishedModel(images, sentences, vars(options))
    raise BadCheckpoint(f"{path} is not a SelfAlign checkpoint: `model` must be a list of weights, beside `opt`")


def camera_of(published: PublishedModel, *, bert_heads: int) -> Camera:
    images, sentences, options = published.images, published.sentences, published.options
    try:
        width, feature_width = images["fc.weight"].shape
        config = CameraConfig(
            feature_width=feature_width,
            embedding_width=width,
            heads=int(options["head"]),
            views=len(images["mvs.convs_fc.weight"]),
            max_words=int(options["max_words"]),
            context_relu=bool(options["ctx_fc_relu"]),
            scaling=Scaling.FEATURE,
            padding_counts=True,
            cut_long_sentences=True,
            bert_dropout=True,
            bert=bert_sizes_of(sentences, heads=bert_heads),
        )
        camera = Camera(config)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise BadCheckpoint(f"this is not a published CAMERA: {error!r}") from error
    load_renamed(camera.image_side, images, CAMERA_IMAGES | ATTENTION | CONTEXT)
    load_renamed(camera.sentence_side, sentences, CAMERA_SENTENCES | ATTENTION | CONTEXT)
    return camera


def vsrn_of(published: PublishedModel, *, padding_counts: bool = False) -> Vsrn:
    """With `padding_counts` a sentence's vector depends on the longest of its batch, as in the published evaluation."""
    images, sentences, options = published.images, published.sentences, published.options
    if options.get("num_layers", 1) != 1 or options.get("use_abs") or options.get("no_imgnorm"):
        raise BadCheckpoint("num_layers, use_abs or no_imgnorm is set: no published configuration does that")
    try:
        width, feature_width = images["fc.weight"].shape
        vocabulary, word_width = sentences["embed.weight"].shape
        on_flickr30k = options["data_name"] == "f30k_precomp"
        config = VsrnConfig(
            vocabulary=vocabulary,
            feature_width=feature_width,
            embedding_width=width,
            word_width=word_width,
            context_relu=bool(options["ctx_relu"]),
            feature_scaling=Scaling.NONE if on_flickr30k else Scaling.FEATURE,
            scaling=Scaling.FEATURE,
            image_norm=on_flickr30k,
            padding_counts=padding_counts,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"this is not a published VSRN: {error!r}") from error
    vsrn = Vsrn(config)
    load_renamed(vsrn.image_side, images, VSRN_IMAGES | CONTEXT)
    load_renamed(vsrn.sentence_side, sentences, VSRN_SENTENCES | CONTEXT)
    return vsrn


def bert_sizes_of(weights: Mapping[str, Tensor], *, heads: int) -> BertSizes:
    """All but the number of heads can be seen in the weights."""
    embeddings = "bert.embeddings.{}_embeddings.weight"
    vocabulary, width = weights[embeddings.format("word")].shape
    return BertSizes(
        vocabulary=vocabulary,
        width=width,
        layers=1 + max(int(name.split(".")[3]) for name in weights if name.startswith("bert.encoder.layer.")),
        heads=heads,
        feedforward=len(weights["bert.encoder.layer.0.intermediate.dense.weight"]),
        positions=len(weights[embeddings.format("position")]),
        token_types=len(weights[embeddings.format("token_type")]),
    )


def bert_heads(bert: Path | str) -> int:
    if bert == BERT and not Path(bert).is_dir():
        return 12  # known without the hub
    try:
        return int(AutoConfig.from_pretrained(str(bert)).num_attention_heads)
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"the number of heads of BERT cannot be read from {bert}: {error}") from error


def load_renamed(module: nn.Module, weights: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    """Every name must be known, present and of the right shape."""
    used = {name: value for name, value in weights.items() if not name.startswith(UNUSED)}
    copy_strictly(renamed(used, names, system="SelfAlign"), weights_once(module))
