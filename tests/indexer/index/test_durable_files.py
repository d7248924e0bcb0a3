"""Files are known again by their seal, and replaced whole."""

from pathlib import Path

import pytest
import xxhash

from indexer.index.durable_files import (
    BLOCK,
    SealedFile,
    check_seal,
    make_folder,
    read_sealed,
    replace_file,
    write_sealed,
)
from indexer.index.errors import Damaged, Missing


def test_a_seal_is_the_size_and_xxh3_of_all_that_was_written(tmp_path: Path) -> None:
    file = SealedFile(tmp_path / "file")
    for part in (b"first ", b"", b"second"):
        file.write(part)
    seal = file.seal()
    assert (tmp_path / "file").read_bytes() == b"first second"
    assert (seal.size, seal.checksum) == (12, xxhash.xxh3_128(b"first second").hexdigest())


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 3])
def test_a_file_that_is_as_it_was_written_passes(tmp_path: Path, size: int) -> None:
    seal = write_sealed(tmp_path / "file", bytes(size))
    check_seal(tmp_path / "file", seal)
    assert read_sealed(tmp_path / "file", seal) == bytes(size)


@pytest.mark.parametrize("damaged", [b"", b"01234", b"0123456789a", b"01234567x9"])
def test_another_size_or_byte_is_damage(tmp_path: Path, damaged: bytes) -> None:
    seal = write_sealed(tmp_path / "file", b"0123456789")
    (tmp_path / "file").write_bytes(damaged)
    with pytest.raises(Damaged, match="file: it"):
        check_seal(tmp_path / "file", seal)
    with pytest.raises(Damaged, match="file: it"):
        read_sealed(tmp_path / "file", seal)


def test_a_file_that_is_gone_is_missing(tmp_path: Path) -> None:
    seal = write_sealed(tmp_path / "file", b"x")
    (tmp_path / "file").unlink()
    with pytest.raises(Missing):
        check_seal(tmp_path / "file", seal)
    with pytest.raises(Missing):
        read_sealed(tmp_path / "file", seal)


def test_what_is_written_once_is_not_written_over(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", b"first")
    with pytest.raises(FileExistsError):
        write_sealed(tmp_path / "file", b"second")


def test_who_has_a_replaced_file_open_reads_the_old_one(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"old")
    (tmp_path / "file.draft").write_bytes(b"left by a crash")
    with (tmp_path / "file").open("rb") as reader:
        replace_file(tmp_path / "file", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
