"""The engine that answers is one that was heard to answer rightly; else it is the CPU, and a line says why."""

import pytest
import torch
from torch import Tensor

from indexer.index import engine_choice
from indexer.index.device_engine import DeviceEngine
from indexer.index.engine import ON_CPU
from indexer.index.engine_choice import WrongAnswer, check_engine, choose_engine
from indexer.index.spared_engine import SparedEngine

CUDA = torch.cuda.is_available()


class Forgetful(DeviceEngine):
    """Loses the best."""

    def exact_scores(self, *arguments, **options) -> Tensor:
        scores = super().exact_scores(*arguments, **options)
        scores[scores.argmax()] = 0.0
        return scores


def test_the_cpu_is_chosen_where_it_is_asked_for() -> None:
    assert choose_engine("cpu") == (ON_CPU, "search: on the CPU, as it is set")


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_without_a_gpu_the_cpu_is_chosen() -> None:
    assert choose_engine("auto") == (ON_CPU, "search: on the CPU: no CUDA device")


@pytest.mark.skipif(not CUDA, reason="there is no CUDA device")
def test_a_gpu_that_answers_rightly_is_chosen() -> None:
    engine, told = choose_engine("auto")
    assert isinstance(engine, SparedEngine) and isinstance(engine.engine, DeviceEngine)
    assert told.startswith("search: on the GPU (")


@pytest.mark.parametrize("room", [0, 2**30])
def test_an_engine_that_answers_rightly_passes_its_test(room: int) -> None:
    check_engine(DeviceEngine("cpu", room=room))


def test_an_engine_that_answers_wrongly_does_not() -> None:
    with pytest.raises(WrongAnswer, match="where the CPU finds"):
        check_engine(Forgetful("cpu", room=2**30))


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_a_gpu_that_fails_leaves_the_search_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice.torch.cuda, "is_available", lambda: True)  # and there is none
    engine, told = choose_engine("cuda")
    assert engine is ON_CPU and told.startswith("search: on the CPU: the GPU failed its test: ")
    assert "\n" not in told
