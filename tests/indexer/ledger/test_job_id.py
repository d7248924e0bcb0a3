"""The names of jobs."""

import re

from indexer.ledger.job_id import CROCKFORD, new_job_id


def test_ids_sort_by_the_time_they_were_made_at() -> None:
    ids = [new_job_id(now) for now in (0.0, 1.0, 1_700_000_000.0, 1_700_000_000.001, 4e9)]
    assert ids == sorted(ids)


def test_an_id_has_26_letters_and_begins_with_its_time() -> None:
    job_id = new_job_id(1_469_918_176.385)  # the example of the ULID specification
    assert re.fullmatch(f"[{CROCKFORD}]{{26}}", job_id) and job_id.startswith("01ARYZ6S41")


def test_ids_of_the_same_moment_differ() -> None:
    assert len({new_job_id(1.0) for _ in range(1000)}) == 1000
