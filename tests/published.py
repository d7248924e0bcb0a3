"""A checkpoint of a very small TERAN as its authors published theirs."""

import argparse
from pathlib import Path

import torch

from model.teran.config import BertSizes
from model.teran.network import Teran
from model.teran.published import published_config

BERT = BertSizes(vocabulary=20, width=8, layers=1, heads=2, feedforward=16, positions=32)
CONFIG = {
    "text-model": {"pretrain": "tiny-bert", "extraction-hidden-layer": 1, "layers": 0},
    "image-model": {"feat-dim": 8, "transformer-layers": 1, "pos-encoding": "project-and-sum"},
    "model": {
        "embed-size": 8, "layers": 1, "dropout": 0.1, "shared-transformer": True, "text-aggregation": "first",
        "image-aggregation": "first", "exclude-stopwords": False,
    },
    "training": {"alignment-mode": "MrSw"},
}  # fmt: skip


def published_weights() -> dict[str, torch.Tensor]:
    """Under the published names, and with those that every published file has and no model uses."""
    own = Teran(published_config(CONFIG, bert=BERT)).state_dict()
    names = {
        "sentence_side.bert.": "txt_enc.bert_model.",
        "sentence_side.projection.": "cap_proj.",
        "image_side.box_encoding.": "img_enc.pos_encoding_image.",
        "image_side.transformer.": "img_enc.transformer_encoder.",
        "image_side.projection.": "img_proj.",
        "sentence_joint.": "transformer_encoder_1.",
    }
    published = {
        "img_txt_enc." + theirs + key.removeprefix(ours): value
        for key, value in own.items()
        for ours, theirs in names.items()
        if key.startswith(ours)
    }
    return published | {
        "img_txt_enc.img_enc.fc.weight": torch.zeros(8, 8),
        "img_txt_enc.txt_enc.map.bias": torch.zeros(8),
    }


def save_published(path: Path, weights: dict[str, torch.Tensor], **more: object) -> Path:
    content = {"model": weights, "config": CONFIG, "opt": argparse.Namespace(lr=1e-5), "epoch": 3} | more
    torch.save(content, path)
    return path


def write_bert(folder: Path) -> Path:
    """The folder of the BERT that it was trained with: sizes and vocabulary."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "dog"]))
    (folder / "config.json").write_text(
        '{"model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16,'
        ' "max_position_embeddings": 32}'
    )
    return folder
