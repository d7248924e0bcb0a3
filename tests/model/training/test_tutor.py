"""A tutor: what it says of the views and captions of a training, and what is learned from it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.checkpoint import BUNDLED, load_encoder
from model.errors import BadRecipe
from model.scoring import Pooling, maxsim
from model.teran.tokenizer import Tokenizer, Tokens
from model.training.building import TeranBeginning, teran_of
from model.training.captioned import CaptionedSet
from model.training.hardware import Arithmetic
from model.training.learner import Scored
from model.training.trainee import Rows
from model.training.tutor import ask_tutor, load_tutor, words_of
from model.training.tutored import TutorConfig, TutorLesson, TutorVectors, tutored_loss, whole_words
from model.training.views import StoredViews

CAPTIONS = [("a dog .", "a brown dog's ball"), ("a red ball",), ("two dogs run .", "."), ("dog " * 40,)]
ARITHMETIC = Arithmetic(torch.device("cpu"), torch.float32)
CONFIG = TutorConfig("tutor")


@pytest.fixture(scope="module")
def tutor(other_checkpoint) -> TeranBeginning:
    return teran_of(other_checkpoint)


@pytest.fixture(scope="module")
def views(tutor) -> StoredViews:
    shape = (2, 4, 36, tutor.trainee.regions.convnet.width)
    return StoredViews(np.random.default_rng(0).standard_normal(shape).astype(np.float16), name="random")


@pytest.fixture
def vectors(tutor, views, tiny_checkpoint, tmp_path) -> TutorVectors:
    reader = Tokenizer(tiny_checkpoint)
    return ask_tutor(tutor, views, CAPTIONS, reader=reader, folder=tmp_path, arithmetic=ARITHMETIC)


def lesson_of(
    vectors: TutorVectors, views: StoredViews, reader: Path, rows: list[int], *, captions: int = 1
) -> TutorLesson:
    every = CaptionedSet(CAPTIONS, Tokenizer(reader), longest=28)
    batch = every.drawn(np.array(rows), captions=captions, unknown=0.0, generator=np.random.default_rng(1))
    return vectors.lesson(views.look(np.array(rows), np.random.default_rng(2)), batch)


def test_a_lesson_has_the_tutors_regions_of_just_these_views(vectors, views, tutor, tiny_checkpoint):
    lesson = lesson_of(vectors, views, tiny_checkpoint, [2, 0])
    seen = views.look(np.array([2, 0]), np.random.default_rng(2))
    with torch.inference_mode():
        expected = tutor.trainee.embed_images(seen).vectors
    assert torch.allclose(lesson.images, expected, atol=1e-3)


def test_a_lesson_has_the_tutors_words_of_just_these_captions(vectors, views, tiny_checkpoint, other_checkpoint):
    lesson = lesson_of(vectors, views, tiny_checkpoint, [1, 0], captions=2)
    encoder = load_encoder(str(other_checkpoint))
    for row, caption in enumerate((CAPTIONS[1][0], *sorted(CAPTIONS[0], reverse=True))):
        (sentence,) = encoder.encode_sentences([caption if caption.endswith(".") else caption + " ."])
        sums = torch.zeros(len(sentence.words), 8).index_add_(0, sentence.word_of_row, sentence.channels["regions"])
        told = lesson.words.vectors[row][lesson.words.real[row]]
        assert torch.allclose(told, F.normalize(sums, dim=1), atol=1e-3)
        assert set(range(len(told))) <= set(lesson.word_of_row[row].tolist())


def test_of_a_shortened_caption_only_the_words_that_are_left_are_learned(vectors, views, tiny_checkpoint):
    lesson = lesson_of(vectors, views, tiny_checkpoint, [3])
    assert lesson.words.real.sum() == 40
    assert lesson.word_of_row.tolist() == [list(range(28 - 3))]


def test_where_both_find_other_words_none_is_learned(tutor, views, other_checkpoint, tmp_path):
    class Reader(Tokenizer):
        """Takes every text for two words."""

        def __call__(self, sentence: str, *, append_full_stop: bool) -> Tokens:
            return super().__call__("a dog", append_full_stop=append_full_stop)

    reader = Reader(other_checkpoint)
    vectors = ask_tutor(tutor, views, CAPTIONS, reader=reader, folder=tmp_path, arithmetic=ARITHMETIC)
    assert (lesson_of(vectors, views, other_checkpoint, [1]).word_of_row == 3).all()


def test_it_is_asked_only_once(vectors, tutor, views, tiny_checkpoint, tmp_path):
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    ask_tutor(tutor, views, CAPTIONS, reader=Tokenizer(tiny_checkpoint), folder=tmp_path, arithmetic=ARITHMETIC)
    assert len(written) == 2 and {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_of_other_views_it_is_asked_again(vectors, tutor, views, tiny_checkpoint, tmp_path):
    other = StoredViews(views.stored, name="others")
    ask_tutor(tutor, other, CAPTIONS, reader=Tokenizer(tiny_checkpoint), folder=tmp_path, arithmetic=ARITHMETIC)
    assert len(list(tmp_path.glob("tutor-images-*"))) == 2 and len(list(tmp_path.glob("tutor-words-*"))) == 1


def test_marks_belong_to_words_and_the_full_stop_to_none(tiny_checkpoint):
    words = words_of(Tokenizer(tiny_checkpoint), "a red, red ball .")
    assert words.count == 4 and sorted(set(words.of_pieces)) == [0, 1, 2, 3]


def test_whole_words_are_the_sums_of_their_rows():
    rows = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]])
    lesson = TutorLesson(
        torch.zeros(1, 1, 2), Rows(torch.ones(1, 3, 2), torch.ones(1, 3).bool()), torch.tensor([[1, 1, 3]])
    )
    assert whole_words(rows, lesson).tolist() == [[[0, 0], [1, 2], [0, 0]]]


def test_who_does_as_the_tutor_does_loses_least(vectors, views, tiny_checkpoint):
    lesson = lesson_of(vectors, views, tiny_checkpoint, [2, 0, 1])
    real = torch.ones(lesson.images.shape[:2], dtype=torch.bool)
    rows = torch.cat([lesson.words.vectors, torch.zeros(3, 1, 8)], dim=1)
    rows = rows.gather(1, lesson.word_of_row[..., None].expand(-1, -1, 8))

    def loss(images: torch.Tensor, captions: torch.Tensor) -> float:
        scores = maxsim(images, real, *lesson.words, pooling=Pooling.MR_SW)
        places = torch.arange(images.shape[1])
        scored = Scored(
            scores, torch.tensor(CONFIG.scale), None, Rows(images, real), places, Rows(captions, captions[..., 0] != 0)
        )
        return float(tutored_loss(scored, lesson, CONFIG, pooling=Pooling.MR_SW))

    best = loss(lesson.images, rows)
    assert loss(lesson.images, -rows) - best == pytest.approx(2 * CONFIG.likeness, abs=1e-3)
    assert loss(lesson.images.roll(1, dims=0), rows) > best


def test_who_sees_otherwise_or_has_other_widths_is_no_tutor(other_checkpoint, tmp_path):
    config = TutorConfig(str(other_checkpoint))
    assert load_tutor(config, teran_of(other_checkpoint), root=tmp_path).tokenizer.size
    learner = teran_of(other_checkpoint)
    learner.trainee.regions = None
    with pytest.raises(BadRecipe, match="the same windows"):
        load_tutor(config, learner, root=tmp_path)
    with pytest.raises(BadRecipe, match=r"embedding_width of the tutor .* is 8, and that of the model 256"):
        load_tutor(config, teran_of(BUNDLED), root=tmp_path)
