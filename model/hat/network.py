"""HAT's two sides, each a transformer that gives vectors at three levels (Bin et al., ACM MM 2023, section 3).

Letters in shapes: N items, P patches of a level, L positions of a sentence, C and D widths. The network knows pixels
and ids, not pictures or text; the sides meet in model/cross_attention.py alone.
"""

from typing import Any

from torch import Tensor, nn
from transformers import BertModel, SwinConfig, SwinModel

from model.hat.config import PATCH, HatConfig, SwinSizes
from model.teran.network import bert_config

LAYER_NORM_EPS = 1e-5


class ImageSide(nn.Module):
    """A Swin transformer; the outputs of its last three stages are the levels."""

    def __init__(self, config: HatConfig) -> None:
        super().__init__()
        widths = [config.swin.width * 2**stage for stage in (1, 2, 3)]
        self.swin = SwinModel(swin_config(config.swin), add_pooling_layer=False)  # holds the norm of the last stage
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=LAYER_NORM_EPS) for width in widths[:2])
        self.projections = nn.ModuleList(nn.Linear(width, config.width) for width in widths)

    def stages(self, pixels: Tensor) -> list[Tensor]:
        """What each of the four stages gives, before its patches are merged: [N, P, C], rows of patches joined."""
        patches, grid = self.swin.embeddings(pixels)
        # The whole model, and SwinBackbone too, give other numbers: the maps before merging are the encoder's alone.
        done = self.swin.encoder(
            patches, grid, output_hidden_states=True, output_hidden_states_before_downsampling=True
        )
        return [stage.flatten(2).transpose(1, 2) for stage in done.reshaped_hidden_states[1:]]

    def normed(self, pixels: Tensor) -> list[Tensor]:
        """The levels before they are projected."""
        _, fine, middle, coarse = self.stages(pixels)
        return [self.norms[0](fine), self.norms[1](middle), self.swin.layernorm(coarse)]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """pixels [N, 3, side, side], normalised -> for each level [N, P, D]."""
        levels = self.normed(pixels)
        return [project(level) for project, level in zip(self.projections, levels, strict=True)]


class SentenceSide(nn.Module):
    """BERT; the outputs of three of its layers are the levels."""

    def __init__(self, config: HatConfig) -> None:
        super().__init__()
        self.layers = config.text_layers
        self.bert = BertModel(bert_config(config.bert), add_pooling_layer=False)
        self.projections = nn.ModuleList(nn.Linear(config.bert.width, config.width) for _ in self.layers)

    def hidden(self, token_ids: Tensor, real: Tensor) -> list[Tensor]:
        """The levels before they are projected, [N, L, C]."""
        done = self.bert(input_ids=token_ids, attention_mask=real.long(), output_hidden_states=True)
        return [done.hidden_states[layer] for layer in self.layers]  # the first is what the first layer reads

    def forward(self, token_ids: Tensor, real: Tensor) -> list[Tensor]:
        """token_ids [N, L] with [CLS] and [SEP], real [N, L] -> for each level [N, L, D]."""
        levels = self.hidden(token_ids, real)
        return [project(level) for project, level in zip(self.projections, levels, strict=True)]


def swin_config(sizes: SwinSizes) -> Any:  # noqa: ANN401  transformers carries no types
    return SwinConfig(
        image_size=sizes.picture_side,
        patch_size=PATCH,
        embed_dim=sizes.width,
        depths=list(sizes.depths),
        num_heads=list(sizes.heads),
        window_size=sizes.window,
        drop_path_rate=sizes.drop_path,  # of attention alone; the published training dropped paths of the MLPs, too
        layer_norm_eps=LAYER_NORM_EPS,
    )


class Hat(nn.Module):
    def __init__(self, config: HatConfig) -> None:
        super().__init__()
        self.config = config
        self.image_side = ImageSide(config)
        self.sentence_side = SentenceSide(config)

    def encode_images(self, pixels: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.image_side(pixels)
        return levels

    def encode_tokens(self, token_ids: Tensor, real: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.sentence_side(token_ids, real)
        return levels
