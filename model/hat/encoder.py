"""A HAT in use: pictures and sentences in, the vectors of three levels out; or several whose scores are averaged."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from model.batches import in_batches
from model.cross_attention import CrossAttention, Direction, pooled
from model.embeddings import ImageEmbedding, Picture, SentenceEmbedding, Word
from model.errors import BadCheckpoint
from model.hat.config import LEVELS, PATCH, HatConfig
from model.hat.network import Hat
from model.regions.mobilenet import PIXEL_MEAN, PIXEL_STD
from model.scoring import MaxSim, ScoreSpec, Term
from model.teran.encoder import pad_ids
from model.teran.tokenizer import Tokenizer, Tokens, check_words, group_words

POOLED: Final = "pooled"
ENCODED_AT_ONCE: Final = 8  # pictures: the first stage of a Swin is wide


class HatEncoder:
    """An Encoder (model/encoder.py); a channel for every level of every network, and a vector that finds candidates.

    The regions are the patches of all levels, from fine to coarse. The special pieces take part in the score and stand
    for the sentence as a whole, which is the last of its words.
    """

    def __init__(self, networks: Sequence[Hat], tokenizer: Tokenizer, *, name: str, fingerprint: str) -> None:
        """Networks of an ensemble look at the same squares and read sentences of the same length."""
        seen = {(network.config.framing, network.config.longest_sentence) for network in networks}
        if len(seen) != 1:
            raise BadCheckpoint("the networks of an ensemble must take the same pictures and the same sentences")
        known = min(network.config.bert.vocabulary for network in networks)
        if tokenizer.size > known:
            raise BadCheckpoint(f"the vocabulary has {tokenizer.size} pieces, the network knows {known}: take its own")
        ((self.framing, self._longest),) = seen
        self._networks = [network.eval() for network in networks]
        self._tokenizer = tokenizer
        self.name = name
        self.fingerprint = fingerprint
        configs = [network.config for network in networks]
        self.score_spec = score_spec_of(configs)
        self.channel_widths = {POOLED: sum(len(c.directions) * len(LEVELS) * c.width for c in configs)}
        for number, config in enumerate(configs):
            self.channel_widths |= dict.fromkeys(channels_of(number), config.width)

    def encode_images(self, pictures: Sequence[Picture]) -> list[ImageEmbedding]:
        return [one for some in in_batches(pictures, ENCODED_AT_ONCE) for one in self._encode_images(some)]

    def encode_sentences(self, sentences: Sequence[str]) -> list[SentenceEmbedding]:
        for text in sentences:
            check_words(text)
        tokens = [cut(self._tokenizer(text, append_full_stop=False), longest=self._longest) for text in sentences]
        ids, lengths = pad_ids(tokens)
        real = torch.arange(ids.shape[1]) < lengths[:, None]  # [C, L]
        levels = []
        with torch.inference_mode():
            for network in self._networks:
                device = device_of(network)
                levels.append([level.cpu() for level in network.encode_tokens(ids.to(device), real.to(device))])
        return [self._sentence(one, _row(levels, row, length=len(one.ids))) for row, one in enumerate(tokens)]

    def _encode_images(self, pictures: Sequence[Picture]) -> list[ImageEmbedding]:
        pixels = normalised(pictures)
        with torch.inference_mode():
            levels = [
                [level.cpu() for level in network.encode_images(pixels.to(device_of(network)))]
                for network in self._networks
            ]
        return [self._image(picture, _row(levels, row)) for row, picture in enumerate(pictures)]

    def _image(self, picture: Picture, levels: Sequence[Sequence[Tensor]]) -> ImageEmbedding:
        x0, y0, x1, y1 = self.framing.box(picture.width, picture.height)
        size = torch.tensor([x1 - x0, y1 - y0] * 2)
        boxes = torch.tensor([x0, y0] * 2) + size * patch_boxes(self.framing.side)  # [R, 4]
        return ImageEmbedding(
            self._channels(levels, attending=Direction.I2T), boxes.clamp(0, 1).repeat(len(self._networks), 1)
        )

    def _sentence(self, tokens: Tokens, levels: Sequence[Sequence[Tensor]]) -> SentenceEmbedding:
        words, word_of_piece = group_words(tokens.text, tokens.spans[1:-1])
        whole = len(words)
        return SentenceEmbedding(
            tokens.text,
            self._channels(levels, attending=Direction.T2I),
            (*words, Word(tokens.text, 0, len(tokens.text))),
            word_of_row=torch.tensor([whole, *word_of_piece, whole]),
        )

    def _channels(self, levels: Sequence[Sequence[Tensor]], *, attending: Direction) -> dict[str, Tensor]:
        """Of one item; `attending` is the direction in which its side attends to the other."""
        vectors = [
            pooled(rows, attending=direction is attending)
            for network, own in zip(self._networks, levels, strict=True)
            for direction in network.config.directions
            for rows in own
        ]
        channels = {POOLED: torch.cat(vectors)[None]}
        for number, own in enumerate(levels):
            channels |= dict(zip(channels_of(number), own, strict=True))
        return channels


def channels_of(network: int) -> list[str]:
    """The channels of the levels of one network among several, counted from 0."""
    return [f"level{level}" if network == 0 else f"level{level}-{network + 1}" for level in LEVELS]


def score_spec_of(configs: Sequence[HatConfig]) -> ScoreSpec:
    """The sum of the levels, and its mean over all directions of all networks."""
    every = [(number, config, direction) for number, config in enumerate(configs) for direction in config.directions]
    terms = [
        Term(channel, CrossAttention(direction, config.lambda_softmax), weight=1 / len(every))
        for number, config, direction in every
        for channel in channels_of(number)
    ]
    return ScoreSpec((Term(POOLED, MaxSim(), weight=0.0), *terms))


def cut(tokens: Tokens, *, longest: int) -> Tokens:
    """The first pieces and the last special one, `longest` in all."""
    if len(tokens.ids) <= longest:
        return tokens
    kept = [*range(longest - 1), len(tokens.ids) - 1]
    return Tokens(
        tokens.text,
        tuple(tokens.ids[place] for place in kept),
        tuple(tokens.pieces[place] for place in kept),
        tuple(tokens.spans[place] for place in kept),
    )


def normalised(pictures: Sequence[Picture]) -> Tensor:
    """[N, 3, side, side]"""
    pixels = torch.from_numpy(np.stack([picture.pixels for picture in pictures])).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
    scaled: Tensor = (pixels.float() / 255 - mean) / std
    return scaled


def patch_boxes(side: int) -> Tensor:
    """The patches of all levels in the order of their rows, as shares of the square, [R, 4]."""
    boxes = []
    for level in LEVELS:
        across = side // (PATCH * 2**level)
        low = torch.arange(across) / across
        y0, x0 = torch.meshgrid(low, low, indexing="ij")
        boxes.append(torch.stack([x0, y0, x0 + 1 / across, y0 + 1 / across], dim=2).flatten(0, 1))
    return torch.cat(boxes)


def device_of(network: Hat) -> torch.device:
    return next(network.parameters()).device


def _row(levels: Sequence[Sequence[Tensor]], row: int, *, length: int | None = None) -> list[list[Tensor]]:
    """The levels of every network of one item, of the items [N, n, D] together."""
    return [[level[row, :length] for level in own] for own in levels]
