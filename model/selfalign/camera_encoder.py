"""A CAMERA in use: region features and sentences in, the vectors that take part in a score out."""

from collections.abc import Sequence
from typing import Final

import torch

from model.embeddings import ImageEmbedding, Picture, SentenceEmbedding
from model.framing import Framing
from model.regions.region_features import RegionExtractor, RegionFeatures, extractor_of
from model.scoring import MaxSim, ScoreSpec, Term
from model.selfalign.camera import Camera
from model.selfalign.sets_of_regions import encode_sets, whole_sentence
from model.selfalign.word_pieces import WordPieces, pad_ids
from model.teran.tokenizer import check_words

VIEWS: Final = "views"


class CameraEncoder:
    """An Encoder (model/encoder.py): the best view of an image for a sentence, and the context of both.

    The context lies behind every view. That takes more room than a channel of its own, but candidates are found by the
    score itself: by the views alone, many of the best would be missed in a large collection.
    """

    score_spec = ScoreSpec((Term(VIEWS, MaxSim()),))

    def __init__(
        self, network: Camera, pieces: WordPieces, regions: RegionExtractor | None, *, name: str, fingerprint: str
    ) -> None:
        self._network = network.eval()
        self._device = next(network.parameters()).device
        self._pieces = pieces
        self._regions = regions
        self.name = name
        self.fingerprint = fingerprint
        self.channel_widths = {VIEWS: 3 * network.config.embedding_width}

    @property
    def framing(self) -> Framing:
        return Framing(extractor_of(self._regions, name=self.name).picture_side)

    def encode_images(self, pictures: Sequence[Picture]) -> list[ImageEmbedding]:
        with torch.inference_mode():
            return self.encode_features(extractor_of(self._regions, name=self.name).extract(pictures))

    def encode_features(self, regions: RegionFeatures) -> list[ImageEmbedding]:
        """The same for regions that were found elsewhere."""
        return encode_sets(regions.to(self._device), self._encode_set)

    def _encode_set(self, regions: RegionFeatures) -> list[dict[str, torch.Tensor]]:
        images = self._network.image_side(regions.features, regions.boxes, regions.sizes)
        return [{VIEWS: views} for views in images.joined.cpu()]

    def encode_sentences(self, sentences: Sequence[str]) -> list[SentenceEmbedding]:
        config = self._network.config
        for text in sentences:
            check_words(text)
        pieces = [self._pieces(text, longest=config.max_words, cut=config.cut_long_sentences) for text in sentences]
        ids, lengths = pad_ids(pieces, width=config.max_words if config.padding_counts else None)
        with torch.inference_mode():
            vectors = self._network.sentence_side(ids.to(self._device), lengths.to(self._device)).joined.cpu()
        return [whole_sentence(text, {VIEWS: vector[None]}) for text, vector in zip(sentences, vectors, strict=True)]
