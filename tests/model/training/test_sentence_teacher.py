"""A sentence encoder as a teacher: what it says, and what is learned from it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModel, BertTokenizerFast

from model.errors import BadRecipe
from model.teran.tokenizer import Tokenizer
from model.training.captioned import CaptionedSet
from model.training.hardware import Arithmetic
from model.training.sentence_teacher import Guesses, Meanings, SentenceTeacherConfig, ask_teacher, taught_loss

CAPTIONS = [("a dog .", "a brown dog on a beach"), ("a red ball",), ("two dogs run .", "a ball .")]
ARITHMETIC = Arithmetic(torch.device("cpu"), torch.float32)


def ask(name: str, folder: Path) -> Meanings:
    return ask_teacher(name, CAPTIONS, root=folder, folder=folder / "cache", arithmetic=ARITHMETIC)


def test_a_lesson_has_the_vectors_of_just_these_captions(teacher, tiny_checkpoint, tmp_path):
    meanings = ask("teacher", tmp_path)
    batch = CaptionedSet(CAPTIONS, Tokenizer(tiny_checkpoint)).drawn(
        np.array([2, 0]), captions=2, unknown=0.0, generator=np.random.default_rng(0)
    )
    lesson = meanings.lesson(batch)
    tokenizer, network = BertTokenizerFast.from_pretrained(teacher), AutoModel.from_pretrained(teacher).eval()
    with torch.inference_mode():
        told = [[network(**tokenizer(text, return_tensors="pt"))[0][0].mean(0) for text in own] for own in CAPTIONS]
    units = [F.normalize(torch.stack(own), dim=1) for own in told]
    expected = [units[batch.rows[owner]][number] for owner, number in zip(batch.owners, batch.numbers, strict=True)]
    assert torch.allclose(lesson.captions, torch.stack(expected), atol=1e-5)
    assert torch.allclose(lesson.images[0], F.normalize(units[2].mean(0), dim=0), atol=1e-5)


def test_it_is_asked_only_once(teacher, tmp_path):
    ask("teacher", tmp_path)
    (stored,) = (tmp_path / "cache").iterdir()
    written = stored.stat().st_mtime_ns
    ask("teacher", tmp_path)
    assert stored.stat().st_mtime_ns == written


def test_a_folder_without_a_teacher_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRecipe, match="no sentence encoder 'empty'"):
        ask("empty", tmp_path)


def test_right_guesses_and_right_scores_cost_least(teacher, tiny_checkpoint, tmp_path):
    batch = next(CaptionedSet(CAPTIONS, Tokenizer(tiny_checkpoint)).in_order(images=3))
    lesson = ask("teacher", tmp_path).lesson(batch)
    config = SentenceTeacherConfig("teacher")
    right = Guesses(3 * lesson.captions, 2 * lesson.images)
    logits = ((lesson.captions - lesson.centre) @ (lesson.images - lesson.centre).T / config.temperature).T
    least = taught_loss(logits, right, lesson, config)
    assert least < taught_loss(-logits, right, lesson, config)
    wrong = taught_loss(logits, Guesses(-right.captions, right.images), lesson, config)
    assert wrong - least == pytest.approx(2 * config.likeness, abs=1e-4)  # the cosine of all captions is -1 and not 1
