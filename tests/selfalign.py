"""Very small CAMERAs and VSRNs with random weights, and region features for them."""

import pickle
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn

from model.regions.region_features import RegionFeatures
from model.selfalign.camera import Camera
from model.selfalign.config import CameraConfig, VsrnConfig
from model.selfalign.published import (
    ATTENTION,
    CAMERA_IMAGES,
    CAMERA_SENTENCES,
    CONTEXT,
    VSRN_IMAGES,
    VSRN_SENTENCES,
)
from model.selfalign.vocabulary import SPECIAL, Vocabulary
from model.selfalign.vsrn import Vsrn
from model.teran.config import BertSizes

WIDTH = 6  # of region features
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "dog", "red", "ball", "runs", "two", "##s")
WORDS = Vocabulary((*SPECIAL, ".", "a", "dog", "red", "ball", "runs", "two"))
CAMERA = CameraConfig(
    feature_width=WIDTH, embedding_width=8, heads=2, views=3, max_words=10,
    bert=BertSizes(vocabulary=len(PIECES), width=8, layers=1, heads=2, feedforward=16, positions=16),
)  # fmt: skip
VSRN = VsrnConfig(vocabulary=len(WORDS), feature_width=WIDTH, embedding_width=8, word_width=5)


def camera(**switches: object) -> Camera:
    torch.manual_seed(0)
    return settled(Camera(replace(CAMERA, **switches)))


def vsrn(**switches: object) -> Vsrn:
    torch.manual_seed(1)
    return settled(Vsrn(replace(VSRN, **switches)))


def settled(network: nn.Module) -> nn.Module:
    """With running statistics as after some training."""
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network.eval()


def write_pieces(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES))
    (folder / "config.json").write_text('{"model_type": "bert", "num_attention_heads": 2, "hidden_size": 8}')
    return folder


def regions(*counts: int, seed: int = 0) -> RegionFeatures:
    """Images of so many regions, padded with zeros."""
    random = torch.Generator().manual_seed(seed)
    n, most = len(counts), max(counts)
    corners = torch.rand(2, n, most, 2, generator=random).sort(dim=0).values
    real = (torch.arange(most) < torch.tensor(counts)[:, None])[..., None]
    features = torch.randn(n, most, WIDTH, generator=random)
    sizes = torch.tensor([[640.0, 480.0]]).repeat(n, 1)
    return RegionFeatures(features * real, torch.cat([*corners], dim=2) * real, torch.tensor(counts), sizes)


def write_features(folder: Path, names: list[str], *, size: tuple[int, int], count: int = 5) -> Path:
    """Files of random regions for pictures of one size."""
    for kind in ("bu_att", "bu_box"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        one = regions(count, seed=seed)
        np.savez(folder / "bu_att" / f"{name}.npz", feat=one.features[0].numpy())
        np.save(folder / "bu_box" / f"{name}.npy", one.boxes[0].numpy() * np.array([*size, *size], np.float32))
    return folder


def save_published(path: Path, network: Camera | Vsrn, **more: object) -> Path:
    """As the authors saved theirs: three parts in a list, and the options."""
    if isinstance(network, Camera):
        names = (CAMERA_IMAGES | ATTENTION | CONTEXT, CAMERA_SENTENCES | ATTENTION | CONTEXT)
        options = Namespace(head=2, max_words=10, ctx_fc_relu=1, img_dim=WIDTH)
    else:
        names = (VSRN_IMAGES | CONTEXT, VSRN_SENTENCES | CONTEXT)
        options = Namespace(ctx_relu=1, data_name="coco_precomp", num_layers=1, no_imgnorm=False, use_abs=False)
    sides = [
        published_names(part, known)
        for part, known in zip((network.image_side, network.sentence_side), names, strict=True)
    ]
    prototypes = {"v_prototypes.weight": torch.zeros(4, 8)}
    content = {"epoch": 3, "model": [*sides, prototypes], "best_rsum": 1.0, "opt": options, "Eiters": 9}
    torch.save(content | more, path, _use_new_zipfile_serialization=False)
    return path


class PublishedWords:
    """A vocabulary as it was pickled."""

    def __init__(self, words: Sequence[str]) -> None:
        self.idx2word = dict(enumerate(words))
        self.word2idx = {word: number for number, word in enumerate(words)}
        self.idx = len(words)


def save_words(path: Path, words: PublishedWords, *, protocol: int = 2) -> Path:
    """Under the name that the authors' class had."""
    sys.modules["vocab"] = ModuleType("vocab")
    sys.modules["vocab"].Vocabulary = PublishedWords
    PublishedWords.__module__, PublishedWords.__qualname__ = "vocab", "Vocabulary"
    try:
        path.write_bytes(pickle.dumps(words, protocol))
    finally:
        del sys.modules["vocab"]
    return path


def published_names(part: nn.Module, names: dict[str, str]) -> dict[str, torch.Tensor]:
    ours = sorted(((ours, theirs) for theirs, ours in names.items()), key=lambda pair: -len(pair[0]))
    return {
        next(theirs + key.removeprefix(own) for own, theirs in ours if key.startswith(own)): value
        for key, value in part.state_dict().items()
    }
