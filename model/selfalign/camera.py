"""SelfAlign on CAMERA: several views of an image, one vector of a sentence, and the context of both.

Letters in shapes: N items, L places (R regions of an image, T word pieces of a sentence), D width, V views.
"""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertModel

from model.selfalign.config import CameraConfig
from model.selfalign.context import Context, ContextHead
from model.selfalign.places import PlaceNorm, mean_of_places, places, scale, unit
from model.teran.network import bert_config

# Output width, kernel, dilation; 1024 numbers a region together, whatever the embedding width.
CONVOLUTIONS = ((256, 1, 1), (128, 3, 1), (128, 3, 2), (128, 3, 3), (128, 5, 1), (128, 5, 2), (128, 5, 3))


@dataclass(frozen=True, slots=True)
class CameraImages:
    views: Tensor  # [N, V, D] of length one
    view_logits: Tensor  # [N, R, V]
    concepts: Tensor  # [N, R, D] of length one: the regions before they know of one another
    context: Context

    @property
    def context_vectors(self) -> Tensor:
        """[N, 2 D]: the mean of the places, then the fused vector; both halved, as they count in the score."""
        return 0.5 * torch.cat([self.context.local.mean(dim=1), self.context.fused], dim=1)

    @property
    def joined(self) -> Tensor:
        """[N, V, 3 D]: every view with the context behind it, so that one product with a sentence is a whole score."""
        shared = self.context_vectors[:, None].expand(-1, self.views.shape[1], -1)
        return torch.cat([self.views, shared], dim=2)


@dataclass(frozen=True, slots=True)
class CameraSentences:
    vectors: Tensor  # [N, D] of length one
    concepts: Tensor  # [N, T, D] of length one
    context: Context
    real: Tensor  # [N, T] bool: the pieces of the sentence, the special ones included
    counted: Tensor  # [N, T] bool: those that took part, which are all as published

    @property
    def context_vectors(self) -> Tensor:
        """[N, 2 D]: what an image's means are compared with is the fused vector, and the other way round."""
        return torch.cat([self.context.fused, mean_of_places(self.context.local, self.counted)], dim=1)

    @property
    def joined(self) -> Tensor:
        """[N, 3 D]"""
        return torch.cat([self.vectors, self.context_vectors], dim=1)


class GatedSelfAttention(nn.Module):
    """Self-attention whose queries and keys gate each other, added to `residual` after a batch norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        head_width = width // heads  # d
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.gate_query, self.gate_key = nn.Linear(head_width, head_width), nn.Linear(head_width, head_width)
        self.gate = nn.Linear(head_width, 2 * head_width)
        self.norm = PlaceNorm(width)

    def forward(self, x: Tensor, *, residual: Tensor, real: Tensor) -> Tensor:
        """x and residual [N, L, D], real [N, L] -> [N, L, D]."""
        n, length, width = x.shape
        q, k, v = (
            linear(x).view(n, length, self.heads, -1).transpose(1, 2)  # [N, heads, L, d]
            for linear in (self.query, self.key, self.value)
        )
        gates = torch.sigmoid(self.gate(self.gate_query(q) * self.gate_key(k)))  # [N, heads, L, 2 d]
        gate_q, gate_k = gates.chunk(2, dim=-1)
        attended = F.scaled_dot_product_attention(q * gate_q, k * gate_k, v, attn_mask=real[:, None, None, :])
        joined: Tensor = residual + self.norm(attended.transpose(1, 2).reshape(n, length, width), real)
        return joined


class MultiView(nn.Module):
    """Several ways of weighting the regions of an image, from dilated convolutions over their order."""

    def __init__(self, width: int, views: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, out, kernel, padding=dilation * (kernel // 2), dilation=dilation)
            for out, kernel, dilation in CONVOLUTIONS
        )
        self.logits = nn.Linear(sum(out for out, _, _ in CONVOLUTIONS), views)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [N, R, D] -> views [N, V, D] and the logits of their weights [N, R, V]."""
        steps = x.transpose(1, 2)  # [N, D, R]
        smoothed = torch.cat([F.relu(convolution(steps)) for convolution in self.convolutions], dim=1)  # [N, 1024, R]
        logits = self.logits(smoothed.transpose(1, 2))  # [N, R, V]
        return unit(logits.softmax(dim=1).transpose(1, 2) @ x), logits


class ImageSide(nn.Module):
    def __init__(self, config: CameraConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_width
        self.projection = nn.Linear(config.feature_width, width)
        self.position = nn.Linear(6, width)
        self.attention = GatedSelfAttention(width, config.heads)
        self.views = MultiView(width, config.views)
        self.context = ContextHead(width, relu=config.context_relu)

    def forward(self, features: Tensor, boxes: Tensor, sizes: Tensor) -> CameraImages:
        """features [N, R, F] without padding, boxes [N, R, 4] as shares of the image's size [N, 2] in pixels."""
        real = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        x = scale(self.projection(features), self.config.scaling, real)  # [N, R, D]
        positions = torch.sigmoid(self.position(geometry(boxes, sizes)))  # [N, R, D]
        contextual = self.attention(x * positions, residual=x, real=real)  # [N, R, D]
        views, logits = self.views(scale(contextual, self.config.scaling, real))
        return CameraImages(views, logits, unit(x), self.context(contextual, real))


def geometry(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Place and size as shares, the aspect ratio in pixels, and the share of the area, [N, R, 6]."""
    x0, y0, x1, y1 = boxes.unbind(dim=2)
    width, height = x1 - x0, y1 - y0
    aspect = width * sizes[:, :1] / (height * sizes[:, 1:]).clamp_min(1e-6)
    return torch.stack([x0, y0, width, height, aspect, width * height], dim=2)


class SentenceSide(nn.Module):
    def __init__(self, config: CameraConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_width
        self.bert = BertModel(bert_config(config.bert), add_pooling_layer=False)
        self.bert.requires_grad_(False)
        self.projection = nn.Linear(config.bert.width, width)
        self.attention = GatedSelfAttention(width, config.heads)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = PlaceNorm(width)
        self.context = ContextHead(width, relu=config.context_relu)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.bert.train(mode and self.config.bert_dropout)
        return self

    def forward(self, token_ids: Tensor, lengths: Tensor) -> CameraSentences:
        """token_ids [N, T] with [CLS] and [SEP], of which `lengths` [N] are real."""
        width = token_ids.shape[1]
        real = places(lengths, width, padding_counts=False)
        counted = places(lengths, width, padding_counts=self.config.padding_counts)
        hidden = self.bert(input_ids=token_ids, attention_mask=real.long()).last_hidden_state  # [N, T, width of BERT]
        x = scale(self.projection(hidden), self.config.scaling, counted)  # [N, T, D]
        contextual = self.attention(x, residual=x, real=counted)  # [N, T, D]
        words = contextual + self.norm(self.outer(F.relu(self.inner(contextual))), counted)  # [N, T, D]
        vectors = unit(mean_of_places(words, counted))
        return CameraSentences(vectors, unit(x), self.context(contextual, counted), real, counted)


class Camera(nn.Module):
    def __init__(self, config: CameraConfig) -> None:
        super().__init__()
        self.config = config
        self.image_side = ImageSide(config)
        self.sentence_side = SentenceSide(config)
