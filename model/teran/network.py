"""TERAN's two sides and the transformer that ends each of them (Messina et al., TOMM 2021, section 3).

Letters in shapes: N items, R regions, L positions (R + 1 of an image, word pieces + 2 of a sentence), F and D widths.
The network knows ids and features, not text or pixels; what takes part in a score is decided in encoder.py.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from model.teran.aggregation import build_aggregation
from model.teran.config import BertSizes, BoxEncodingKind, TeranConfig


@dataclass(frozen=True, slots=True)
class Encoded:
    vectors: Tensor  # [N, L, D], every position of length one
    aggregate: Tensor  # [N, D], the global vector, of length one


class ConcatAndProcess(nn.Module):
    """A region's features and box together make new features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Linear(width + 5, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, features: Tensor, geometry: Tensor) -> Tensor:
        processed: Tensor = self.map(torch.cat([features, geometry], dim=2))  # [N, L, F]
        return processed


class ProjectAndSum(nn.Module):
    """A region's features, moved by a linear map of its box."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(5, width)

    def forward(self, features: Tensor, geometry: Tensor) -> Tensor:
        moved: Tensor = features + self.map(geometry)  # [N, L, F]
        return moved


class NoBoxes(nn.Module):
    def forward(self, features: Tensor, geometry: Tensor) -> Tensor:
        return features


def build_box_encoding(kind: BoxEncodingKind, width: int) -> nn.Module:
    match kind:
        case BoxEncodingKind.CONCAT_AND_PROCESS:
            return ConcatAndProcess(width)
        case BoxEncodingKind.PROJECT_AND_SUM:
            return ProjectAndSum(width)
        case BoxEncodingKind.NONE:
            return NoBoxes()


class Transformer(nn.Module):
    """Post-norm encoder layers without positions: regions have boxes, and the words had theirs in BERT."""

    def __init__(self, width: int, layers: int, config: TeranConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, config.heads, config.feedforward, config.dropout, batch_first=True)
            for _ in range(layers)
        )

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~real)  # [N, L, D]
        return x


class ImageSide(nn.Module):
    """Regions in the context of one another."""

    def __init__(self, config: TeranConfig) -> None:
        super().__init__()
        self.box_encoding = build_box_encoding(config.box_encoding, config.feature_width)
        self.transformer = Transformer(config.feature_width, config.image_layers, config)
        self.projection = nn.Linear(config.feature_width, config.embedding_width)

    def forward(self, features: Tensor, boxes: Tensor, real: Tensor) -> Tensor:
        """features [N, R, F], boxes [N, R, 4] in 0..1, real [N, R + 1] -> [N, R + 1, D], a class slot in front."""
        # The class slot is a region of zeros with an empty box: what makes it differ from image to image is attention.
        features, boxes = F.pad(features, (0, 0, 1, 0)), F.pad(boxes, (0, 0, 1, 0))  # [N, L, F], [N, L, 4]
        x0, y0, x1, y1 = boxes.unbind(dim=2)
        geometry = torch.stack([x0, y0, x1, y1, (x1 - x0) * (y1 - y0)], dim=2)  # [N, L, 5]
        x = self.box_encoding(features, geometry)  # [N, L, F]
        x = self.transformer(x, real)  # [N, L, F]
        projected: Tensor = self.projection(x)  # [N, L, D]
        return projected


class SentenceSide(nn.Module):
    """Word pieces in the context of one another."""

    def __init__(self, config: TeranConfig) -> None:
        super().__init__()
        self.bert = BertModel(bert_config(config.bert), add_pooling_layer=False)
        self.projection = nn.Linear(config.bert.width, config.embedding_width)

    def forward(self, token_ids: Tensor, real: Tensor) -> Tensor:
        """token_ids [N, L] with [CLS] and [SEP], real [N, L] -> [N, L, D]."""
        hidden = self.bert(input_ids=token_ids, attention_mask=real.long()).last_hidden_state  # [N, L, width of BERT]
        projected: Tensor = self.projection(hidden)  # [N, L, D]
        return projected


def bert_config(sizes: BertSizes) -> Any:  # noqa: ANN401  transformers carries no types
    return BertConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feedforward,
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.token_types,
        layer_norm_eps=sizes.layer_norm_eps,
    )


class Teran(nn.Module):
    def __init__(self, config: TeranConfig) -> None:
        super().__init__()
        self.config = config
        width = config.embedding_width
        self.image_side = ImageSide(config)
        self.sentence_side = SentenceSide(config)
        self.sentence_joint = Transformer(width, config.joint_layers, config)
        self.image_joint = self.sentence_joint
        if not config.shared_joint:
            self.image_joint = Transformer(width, config.joint_layers, config)
        self.image_aggregation = build_aggregation(config.image_aggregation, width)
        self.text_aggregation = build_aggregation(config.text_aggregation, width)

    def encode_regions(self, features: Tensor, boxes: Tensor, counts: Tensor) -> Encoded:
        """features [N, R, F] and boxes [N, R, 4] in 0..1, `counts` [N] of them real; a class slot comes in front."""
        real = torch.arange(features.shape[1] + 1, device=counts.device) < counts[:, None] + 1  # [N, R + 1]
        x = self.image_joint(self.image_side(features, boxes, real), real)  # [N, R + 1, D]
        return Encoded(F.normalize(x, dim=2, eps=1e-12), unit_length(self.image_aggregation(x, real)))

    def encode_tokens(self, token_ids: Tensor, lengths: Tensor) -> Encoded:
        """token_ids [N, L], of which `lengths` [N] count, [CLS] and [SEP] included."""
        real = torch.arange(token_ids.shape[1], device=lengths.device) < lengths[:, None]  # [N, L]
        x = self.sentence_joint(self.sentence_side(token_ids, real), real)  # [N, L, D]
        return Encoded(F.normalize(x, dim=2, eps=1e-12), unit_length(self.text_aggregation(x, real)))


def unit_length(x: Tensor) -> Tensor:
    scaled: Tensor = x / x.norm(dim=-1, keepdim=True)
    return scaled
