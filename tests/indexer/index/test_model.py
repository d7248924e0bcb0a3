"""In whatever order images come and go, the index holds what a set would and finds it as brute force would."""

from itertools import pairwise
from pathlib import Path

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indexer.commit import create_collection
from indexer.garbage import collect_garbage
from indexer.index.deletion import delete_images
from indexer.index.search import search
from indexer.index.snapshot import open_snapshot
from indexer.index.verify import verify_collection
from indexer.merge import merge
from model.scoring import score_matrix
from tests.indexer.index.tiny import (
    ENCODER,
    SPEC,
    commit_images,
    embedding_of,
    folder_in_memory,
    image_id,
    live_numbers,
    sentence_of,
)

NUMBERS = st.sets(st.integers(0, 15), min_size=1, max_size=8)


class IndexAgainstSet(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = folder_in_memory()
        self.collection = Path(self.folder.name)
        create_collection(self.collection, encoder=ENCODER)
        self.live: set[int] = set()
        self.snapshot = open_snapshot(self.collection)
        self.seen: set[int] = set()

    @rule(numbers=NUMBERS)
    def commit(self, numbers: set[int]) -> None:
        result = commit_images(self.collection, numbers)
        assert set(result.added) == {image_id(number) for number in numbers - self.live}
        assert set(result.duplicates) == {image_id(number) for number in numbers & self.live}
        self.live |= numbers

    @rule(numbers=NUMBERS)
    def commit_one_by_one(self, numbers: set[int]) -> None:
        for number in sorted(numbers):
            self.commit({number})

    @rule(numbers=NUMBERS)
    def delete(self, numbers: set[int]) -> None:
        result = delete_images(self.collection, [image_id(number) for number in numbers])
        assert set(result.deleted) == {image_id(number) for number in numbers & self.live}
        self.live -= numbers

    @rule(largest=st.sampled_from([4, 1000]))
    def merge(self, largest: int) -> None:
        merge(self.collection, largest=largest)

    @rule()
    def collect_garbage(self) -> None:
        collect_garbage(self.collection)
        assert verify_collection(self.collection).leftovers == ()

    @rule()
    def reopen(self) -> None:
        self.snapshot = open_snapshot(self.collection, previous=self.snapshot)
        self.seen = set(self.live)

    @rule(number=st.integers(0, 100))
    def search(self, number: int) -> None:
        snapshot = open_snapshot(self.collection)
        hits = search(snapshot, sentence_of(number), limit=16, shortlist_size=16).hits
        assert {hit.id for hit in hits} == {image_id(number) for number in self.live}
        images = [embedding_of(snapshot.record(hit.row).metadata["number"]) for hit in hits]
        if hits:
            exact = score_matrix(SPEC, images, [sentence_of(number)])[:, 0]
            torch.testing.assert_close(torch.tensor([hit.score for hit in hits]), exact, atol=1e-5, rtol=0)
            assert all(hit.score >= worse.score for hit, worse in pairwise(hits))

    @invariant()
    def the_index_is_sound_and_holds_the_set(self) -> None:
        assert sorted(live_numbers(open_snapshot(self.collection))) == sorted(self.live)
        assert verify_collection(self.collection).faults == ()

    @invariant()
    def the_open_snapshot_shows_what_it_showed(self) -> None:
        assert sorted(live_numbers(self.snapshot)) == sorted(self.seen)

    def teardown(self) -> None:
        self.folder.cleanup()


TestIndexAgainstSet = IndexAgainstSet.TestCase
TestIndexAgainstSet.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
