"""A network as the fixtures of HAT describe one, with its batch; weights of published size are made by a recipe."""

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from model.cross_attention import CrossAttention, Direction, cross_attention
from model.embeddings import Picture
from model.hat.encoder import normalised
from model.hat.network import Hat
from model.hat.published import PublishedCheckpoint, load_published_weights, published_config, read_published
from model.training.losses import contrastive_loss


class Model:
    """What a folder describes, with its batch."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.weights, settings = weights_of(folder, config)
        published = PublishedCheckpoint(settings, self.weights)
        self.network = Hat(published_config(published, text_heads=config["bert"]["num_attention_heads"])).eval()
        load_published_weights(self.network, self.weights)
        self.margin, self.lambda_softmax = config["margin"], config["lambda_softmax"]
        inputs = dict(np.load(folder / "inputs.npz"))
        self.pixels = pixels_of(inputs)
        self.token_ids = torch.from_numpy(inputs["input_ids"])
        self.real = torch.from_numpy(inputs["attention_mask"]).bool()

    def levels(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        return self.network.encode_images(self.pixels), self.network.encode_tokens(self.token_ids, self.real)

    def scores(self, direction: Direction, images, texts, *, dtype=torch.float32) -> list[torch.Tensor]:
        """Of every level, [N, C]."""
        kernel = CrossAttention(direction, self.lambda_softmax)
        return [
            cross_attention(
                image.to(dtype), torch.ones(image.shape[:2], dtype=torch.bool), text.to(dtype), self.real, kernel=kernel
            )
            for image, text in zip(images, texts, strict=True)
        ]

    def loss(self, direction: Direction) -> torch.Tensor:
        total = torch.stack(self.scores(direction, *self.levels())).sum(dim=0)
        return contrastive_loss(total, margin=self.margin, hardest=True)


def weights_of(folder: Path, config) -> tuple[dict[str, torch.Tensor], dict]:
    """Weights by published names and the settings, from whichever of the three places the folder has."""
    if (folder / "checkpoint.ckpt").exists():
        published = read_published(folder / "checkpoint.ckpt")
        return dict(published.weights), {**config, **published.config}
    if (folder / "weights.safetensors").exists():
        return load_file(folder / "weights.safetensors"), config
    shapes = json.loads((folder / "state_dict_keys.json").read_text())
    return {
        name: fill(name, shape, seed=config["fill_seed"])
        for name, (shape, dtype) in shapes.items()
        if dtype.startswith("float") and not name.endswith("attn_mask")
    }, config


def fill(name: str, shape: list[int], *, seed: int) -> torch.Tensor:
    """The recipe of the README: SplitMix64 of the name and the place."""
    state = np.uint64((zlib.crc32(name.encode()) << 32) + seed)
    with np.errstate(over="ignore"):
        z = state + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    if name.endswith("relative_position_bias_table"):
        values = 0.5 * u
    elif len(shape) == 1:
        values = 1 + 0.2 * u if name.endswith("weight") else 0.1 * u
    else:
        values = u * np.sqrt(3 / math.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def pixels_of(inputs) -> torch.Tensor:
    if "pixel_values" in inputs:
        return torch.from_numpy(inputs["pixel_values"])
    whole = inputs["pixels_uint8"].transpose(0, 2, 3, 1)  # [n, S, S, 3]
    return normalised([Picture(pixels, pixels.shape[1], pixels.shape[0]) for pixels in whole])
