"""A TERAN in use: pictures and sentences in, the vectors that take part in a score out."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from model.embeddings import ImageEmbedding, Picture, SentenceEmbedding
from model.framing import Framing
from model.regions.region_features import RegionExtractor, RegionFeatures, extractor_of
from model.scoring import MaxSim, ScoreSpec, Term
from model.teran.network import Teran
from model.teran.tokenizer import Tokenizer, Tokens, check_sentence, group_words

CHANNEL: Final = "regions"


class TeranEncoder:
    """An Encoder (model/encoder.py); its one channel compares regions with word pieces."""

    def __init__(
        self, network: Teran, tokenizer: Tokenizer, regions: RegionExtractor | None, *, name: str, fingerprint: str
    ) -> None:
        """Without `regions` it encodes features alone, as a published model does."""
        self._network = network.eval()
        self._tokenizer = tokenizer
        self._regions = regions
        self.name = name
        self.fingerprint = fingerprint
        self.score_spec = ScoreSpec((Term(CHANNEL, MaxSim(network.config.pooling)),))
        self.channel_widths = {CHANNEL: network.config.embedding_width}

    @property
    def framing(self) -> Framing:
        return Framing(extractor_of(self._regions, name=self.name).picture_side)

    def encode_images(self, pictures: Sequence[Picture]) -> list[ImageEmbedding]:
        with torch.inference_mode():
            return self.encode_features(extractor_of(self._regions, name=self.name).extract(pictures))

    def encode_features(self, regions: RegionFeatures) -> list[ImageEmbedding]:
        """The same for regions that were found elsewhere, as in the published feature files."""
        regions = regions.to(next(self._network.parameters()).device)
        with torch.inference_mode():
            vectors = self._network.encode_regions(regions.features, regions.boxes, regions.counts).vectors.cpu()
        return [
            ImageEmbedding({CHANNEL: vectors[row, 1 : 1 + count]}, boxes[:count])
            for row, (count, boxes) in enumerate(zip(regions.counts.tolist(), regions.boxes.cpu(), strict=True))
        ]

    def encode_sentences(self, sentences: Sequence[str]) -> list[SentenceEmbedding]:
        config = self._network.config
        tokens = [self._tokenizer(text, append_full_stop=config.append_full_stop) for text in sentences]
        for one in tokens:
            check_sentence(one, longest=config.bert.positions, stopwords=config.stopwords)
        ids, lengths = pad_ids(tokens)
        device = next(self._network.parameters()).device
        with torch.inference_mode():
            vectors = self._network.encode_tokens(ids.to(device), lengths.to(device)).vectors.cpu()  # [C, L, D]
        return [self._embedding(one, rows) for one, rows in zip(tokens, vectors, strict=True)]

    def _embedding(self, tokens: Tokens, vectors: Tensor) -> SentenceEmbedding:
        scored = tokens.scored(self._network.config.stopwords)
        words, word_of_row = group_words(tokens.text, [tokens.spans[position] for position in scored])
        return SentenceEmbedding(tokens.text, {CHANNEL: vectors[scored]}, words, torch.tensor(word_of_row))


def pad_ids(tokens: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
    """Token ids [C, L] with zeros behind each sentence, and the lengths [C]."""
    lengths = torch.tensor([len(one.ids) for one in tokens])
    ids = torch.zeros(len(tokens), int(lengths.max()), dtype=torch.long)
    for row, one in enumerate(tokens):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
    return ids, lengths
