"""Very small HATs with random weights: in use, as folders of our own, and as their authors published theirs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from model.checkpoint import load_encoder, save_hat
from model.cross_attention import Direction
from model.embeddings import Picture
from model.encoder import Encoder
from model.hat.config import HatConfig, SwinSizes
from model.hat.network import Hat
from model.hat.published import JOINED, RENAMED, RENAMED_IN_BLOCKS
from model.teran.config import BertSizes
from model.teran.tokenizer import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PIECES = (*SPECIAL, "a", "brown", "dog", "man", "ball", "red", "on", "the", "grass", "run", "##ning", "'", "s", ".")
SWIN = SwinSizes(width=8, depths=(1, 2, 1, 1), heads=(1, 2, 4, 8), window=2)
BERT = BertSizes(vocabulary=len(PIECES), width=16, layers=12, heads=2, feedforward=24, positions=32)
SETTINGS = {
    "image_size": 64,
    "tokenizer": "bert-base-uncased",
    "max_text_len": 12,
    "direction": "i2t",
    "lambda_softmax": 9,
}


def tiny_hat(*directions: Direction, seed: int = 0) -> Hat:
    torch.manual_seed(seed)
    config = HatConfig(width=12, swin=SWIN, bert=BERT, longest_sentence=12, directions=directions)
    network = Hat(config)
    for parameter in network.parameters():  # as they begin, pictures and words are all alike
        torch.nn.init.normal_(parameter, std=0.3)
    return network


def write_bert(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    (folder / "config.json").write_text('{"model_type": "bert", "num_attention_heads": 2, "hidden_size": 16}')
    return folder


def tiny_encoder_of(folder: Path, networks: Sequence[Hat]) -> Encoder:
    save_hat(
        folder / "hat", name="tiny-hat", networks=networks, tokenizer=Tokenizer(write_bert(folder / "bert")),
        dtype=torch.float32,
    )  # fmt: skip
    return load_encoder(str(folder / "hat"))


def noise(count: int, *, side: int = 64) -> list[Picture]:
    random = np.random.default_rng(0)
    return [Picture(random.integers(0, 256, (side, side, 3), np.uint8), 640, 480) for _ in range(count)]


def published_weights(network: Hat) -> dict[str, torch.Tensor]:
    """Under the published names, and with those that every published file has and no model uses."""
    published: dict[str, list[torch.Tensor]] = {}
    for name, value in network.state_dict().items():
        published.setdefault(published_name(name), []).append(value)
    unused = {
        "vit_model.norm_0.weight": torch.ones(8),
        "vit_model.layers.0.blocks.0.attn.relative_position_index": torch.zeros(4, 4, dtype=torch.long),
        "text_transformer.pooler.dense.bias": torch.zeros(16),
    }
    return {name: torch.cat(parts) for name, parts in published.items()} | unused


def published_name(name: str) -> str:
    for part in ("q_proj", "k_proj", "v_proj"):
        name = name.replace(f".attention.{part}.", JOINED)
    for theirs, ours in RENAMED.items():
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    if name.startswith("vit_model.layers."):
        for theirs, ours in RENAMED_IN_BLOCKS.items():
            name = name.replace(ours, theirs)
    return name


def save_published(path: Path, weights: dict[str, torch.Tensor], **more: object) -> Path:
    content = {"state_dict": weights, "hyper_parameters": {"config": SETTINGS}, "epoch": 3} | more
    torch.save(content, path)
    return path
