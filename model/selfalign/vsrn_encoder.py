"""A VSRN in use: region features and sentences in, one vector of each out."""

from collections.abc import Sequence
from typing import Final

import torch

from model.embeddings import ImageEmbedding, Picture, SentenceEmbedding
from model.errors import BadSentence
from model.framing import Framing
from model.regions.region_features import RegionExtractor, RegionFeatures, extractor_of
from model.scoring import MaxSim, ScoreSpec, Term
from model.selfalign.sets_of_regions import encode_sets, whole_sentence
from model.selfalign.vocabulary import Vocabulary
from model.selfalign.vsrn import Vsrn
from model.selfalign.word_pieces import pad_ids
from model.teran.tokenizer import check_words

VECTOR: Final = "vector"
LONGEST: Final = 256  # words with start and end: the network has no limit, but reads one word after the other


class VsrnEncoder:
    """An Encoder (model/encoder.py); the score is one inner product.

    With `padding_counts` in its configuration, as in the published evaluation, a sentence's vector depends on the
    longest of its batch.
    """

    score_spec = ScoreSpec((Term(VECTOR, MaxSim()),))

    def __init__(
        self, network: Vsrn, words: Vocabulary, regions: RegionExtractor | None, *, name: str, fingerprint: str
    ) -> None:
        self._network = network.eval()
        self._device = next(network.parameters()).device
        self._words = words
        self._regions = regions
        self.name = name
        self.fingerprint = fingerprint
        self.channel_widths = {VECTOR: 3 * network.config.embedding_width}

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
        return [{VECTOR: vector[None]} for vector in self._network.image_side(regions.features).vectors.cpu()]

    def encode_sentences(self, sentences: Sequence[str]) -> list[SentenceEmbedding]:
        for text in sentences:
            check_words(text)
        words = [self._words(text) for text in sentences]
        if any(len(ids) > LONGEST for ids in words):
            raise BadSentence(f"the sentence has more than {LONGEST - 2} words: shorten it")
        ids, lengths = pad_ids(words)
        with torch.inference_mode():
            vectors = self._network.sentence_side(ids.to(self._device), lengths.to(self._device)).vectors.cpu()
        return [whole_sentence(text, {VECTOR: vector[None]}) for text, vector in zip(sentences, vectors, strict=True)]
