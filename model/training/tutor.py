"""A tutor is asked where it puts the views and captions of a training. Nothing of it stays in the model."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from model.checkpoint import read_config
from model.errors import BadRecipe
from model.regions.windows import WindowExtractor
from model.teran.tokenizer import Tokenizer, group_words
from model.training.building import TeranBeginning, checkpoint_folder, teran_of
from model.training.hardware import Arithmetic
from model.training.pictures import computed_once, digest
from model.training.tutored import TutorConfig, TutorVectors, WordsOfCaption
from model.training.views import StoredViews

TOGETHER = 128  # captions that are read at once


def load_tutor(config: TutorConfig, learner: TeranBeginning, *, root: Path) -> TeranBeginning:
    """Raises BadRecipe if it cannot be one of this learner."""
    folder = checkpoint_folder(config.model, root)
    if read_config(folder)["system"] != "teran":
        raise BadRecipe(f"{folder} is no TERAN: it cannot tutor one")
    tutor = teran_of(folder)
    has, learns = tutor.trainee.teran.config, learner.trainee.teran.config
    for what in ("embedding_width", "pooling"):
        if getattr(has, what) != getattr(learns, what):
            raise BadRecipe(
                f"{what} of the tutor {folder} is {getattr(has, what)}, and that of the model {getattr(learns, what)}"
            )
    if not _see_alike(tutor.trainee.regions, learner.trainee.regions):
        raise BadRecipe(f"the tutor {folder} must look at the same windows of pictures of the same size")
    return tutor


def _see_alike(tutor: WindowExtractor | None, learner: WindowExtractor | None) -> bool:
    if tutor is None or learner is None:
        return False
    return tutor.picture_side == learner.picture_side and torch.equal(tutor.boxes.cpu(), learner.boxes.cpu())


def ask_tutor(
    tutor: TeranBeginning,
    views: StoredViews,
    captions: Sequence[Sequence[str]],
    *,
    reader: Tokenizer,
    folder: Path,
    arithmetic: Arithmetic,
) -> TutorVectors:
    """Its vectors of what its own network saw in the views, and of `captions`; `reader` is that of the learner.

    They are computed once, and found in `folder` from then on.
    """
    tutor.trainee.eval()
    every, width = [caption for own in captions for caption in own], tutor.trainee.teran.config.embedding_width
    said = [words_of(tutor.tokenizer, caption) for caption in every]
    asked, shape = (tutor.origin, arithmetic.kind), views.stored.shape[:3]  # [V, N, R]
    images = computed_once(
        folder / f"tutor-images-{digest([*asked, views.name])}.npy",
        (shape[0] * shape[1], shape[2], width),
        np.float16,
        lambda: _image_vectors(tutor, views, arithmetic),
    )
    words = computed_once(
        folder / f"tutor-words-{digest([*asked, *every])}.npy",
        (sum(one.count for one in said), width),
        np.float16,
        lambda: _word_vectors(tutor, list(zip(every, said, strict=True)), arithmetic),
    )
    read = [_agreeing(words_of(reader, caption), one) for caption, one in zip(every, said, strict=True)]
    firsts = np.cumsum([0, *map(len, captions)])
    return TutorVectors(images.reshape(*shape, width), words, read, firsts)


def words_of(tokenizer: Tokenizer, caption: str) -> WordsOfCaption:
    tokens = tokenizer(caption, append_full_stop=True)
    words, of_pieces = group_words(tokens.text, tokens.spans[1:-2])
    return WordsOfCaption(len(words), of_pieces)


def _agreeing(read: WordsOfCaption, said: WordsOfCaption) -> WordsOfCaption:
    """Where the two find other words in a caption, it teaches nothing of its words one by one."""
    return read if read.count == said.count else WordsOfCaption(said.count, [])


def _image_vectors(tutor: TeranBeginning, views: StoredViews, arithmetic: Arithmetic) -> Iterator[NDArray[np.float16]]:
    for seen in views.every():
        with torch.inference_mode(), arithmetic.autocast():
            vectors = tutor.trainee.embed_images(seen.to(arithmetic.device)).vectors
        yield vectors.half().cpu().numpy()


def _word_vectors(
    tutor: TeranBeginning, captions: Sequence[tuple[str, WordsOfCaption]], arithmetic: Arithmetic
) -> Iterator[NDArray[np.float16]]:
    for start in range(0, len(captions), TOGETHER):
        some = captions[start : start + TOGETHER]
        ids = [torch.tensor(tutor.tokenizer(caption, append_full_stop=True).ids) for caption, _ in some]
        lengths = torch.tensor([len(one) for one in ids]).to(arithmetic.device)
        with torch.inference_mode(), arithmetic.autocast():
            padded = pad_sequence(ids, batch_first=True).to(arithmetic.device)
            rows = tutor.trainee.embed_captions(padded, lengths).vectors.cpu()
        for (_, words), own in zip(some, rows, strict=True):
            sums = torch.zeros(words.count, own.shape[1])
            sums.index_add_(0, torch.tensor(words.of_pieces, dtype=torch.int64), own[: len(words.of_pieces)])
            yield F.normalize(sums, dim=1).half().numpy()
