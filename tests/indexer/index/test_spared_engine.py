"""Where a device fails in the middle of a search, the CPU goes on with it."""

import pytest
import torch

from indexer.index.device_engine import DeviceEngine
from indexer.index.engine_choice import check_engine
from indexer.index.memory_snapshot import snapshot_of
from indexer.index.search import search
from indexer.index.spared_engine import SparedEngine
from tests.indexer.index.brute_force import WIDTH, brute_force, images_of, words_of


class FullDevice(DeviceEngine):
    """Has no memory for one of its steps."""

    def __init__(self, step: str) -> None:
        super().__init__("cpu", room=2**30)
        setattr(self, step, self._fail)

    def _fail(self, *_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("all taken\nby others")


@pytest.mark.parametrize("step", ["_scan", "_term_scores"])
def test_the_cpu_answers_for_a_device_that_fails(step: str, caplog: pytest.LogCaptureFixture) -> None:
    snapshot, sentence = snapshot_of([images_of([3, 9, 27] * 10, 0)], width=WIDTH), words_of(9, 0)
    hits = search(snapshot, sentence, limit=10, engine=SparedEngine(FullDevice(step))).hits
    assert [hit.id for hit in hits] == [image_id for image_id, _ in brute_force(snapshot, sentence, 10)]
    assert "the CPU does a step of a search, for the GPU failed: OutOfMemoryError: all taken" in caplog.text


@pytest.mark.parametrize("step", ["_scan", "_term_scores"])
def test_such_a_device_is_not_chosen(step: str) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        check_engine(FullDevice(step))
