"""Published vocabularies: pickles of Python 2 and 3, of which nothing is run."""

import os
import pickle

import pytest

from model.errors import BadCheckpoint
from model.selfalign.published_vocabulary import read_published_vocabulary
from tests.selfalign import WORDS, PublishedWords, save_words


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_vocabulary_is_read_whatever_protocol_it_was_written_with(tmp_path, protocol):
    path = save_words(tmp_path / "vocab.pkl", PublishedWords(WORDS.words), protocol=protocol)
    assert read_published_vocabulary(path).words == WORDS.words


def test_nothing_in_it_is_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/was-run",)

    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(BadCheckpoint, match="not part of a vocabulary"):
        read_published_vocabulary(path)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"idx2word": {0: "a"}}), pickle.dumps(object())])
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, content):
    (tmp_path / "some.pkl").write_bytes(content)
    with pytest.raises(BadCheckpoint):
        read_published_vocabulary(tmp_path / "some.pkl")


def test_numbers_with_a_gap_are_refused(tmp_path):
    words = PublishedWords(WORDS.words)
    del words.idx2word[4]
    with pytest.raises(BadCheckpoint, match="number its words"):
        read_published_vocabulary(save_words(tmp_path / "gap.pkl", words))
