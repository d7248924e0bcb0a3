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
CONTEXT: Final = "context"


class CameraEncoder:
    """An Encoder (model/encoder.py): the best view of an image for a sentence, and the context of both."""

    score_spec = ScoreSpec((Term(VIEWS, MaxSim()), Term(CONTEXT, MaxSim())))

    def __init__(
        self, network: Camera, pieces: WordPieces, regions: RegionExtractor | None, *, name: str, fingerprint: str
    ) -> None:
        self._network = network.eval()
        self._device = next(network.parameters()).device
        self._pieces = pieces
        self._regions = regions
        self.name = name
        self.fingerprint = fingerprint
        width = network.config.embedding_width
        self.channel_widths = {VIEWS: width, CONTEXT: 2 * width}

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
        pairs = zip(images.views.cpu(), images.context_vectors.cpu(), strict=True)
        return [{VIEWS: views, CONTEXT: context[None]} for views, context in pairs]

    def encode_sentences(self, sentences: Sequence[str]) -> list[SentenceEmbedding]:
        config = self._network.config
        for text in sentences:
            check_words(text)
        pieces = [self._pieces(text, longest=config.max_words, cut=config.cut_long_sentences) for text in sentences]
        ids, lengths = pad_ids(pieces, width=config.max_words if config.padding_counts else None)
        with torch.inference_mode():
            encoded = self._network.sentence_side(ids.to(self._device), lengths.to(self._device))
            vectors, contexts = encoded.vectors.cpu(), encoded.context_vectors.cpu()
        return [
            whole_sentence(text, {VIEWS: vector[None], CONTEXT: context[None]})
            for text, vector, context in zip(sentences, vectors, contexts, strict=True)
        ]
