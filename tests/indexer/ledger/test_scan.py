"""Scanning finds the pictures that were asked for and leaves its roots by no way."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.ledger.errors import NoSuchPath, OutsideRoots
from indexer.ledger.scan import resolve_under, scan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in (
        "b.JPG",
        "a.png",
        "notes.txt",
        "sub/d.webp",
        "sub/deep/e.tiff",
        "other/c.avif",
        ".hidden/x.jpg",
        ".y.jpg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jpg").touch()
    return root


def names(roots: list[Path], root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in scan(roots)]


def test_pictures_come_by_name_each_folder_before_those_below(root: Path) -> None:
    assert names([root], root) == ["a.png", "b.JPG", "other/c.avif", "sub/d.webp", "sub/deep/e.tiff"]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".jpe", ".png", ".WebP", ".gif", ".bmp", ".tif", ".tiff", ".avif"])
def test_suffixes_count_in_any_case(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"picture{suffix}").touch()
    assert names([tmp_path], tmp_path) == [f"picture{suffix}"]


def test_roots_come_in_the_order_given(root: Path) -> None:
    assert names([root / "sub", root / "other"], root) == ["sub/d.webp", "sub/deep/e.tiff", "other/c.avif"]


def test_a_file_that_is_named_comes_whatever_its_suffix(root: Path) -> None:
    assert names([root / "notes.txt"], root) == ["notes.txt"]


def test_paths_are_absolute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert list(scan([Path("other")])) == [root.resolve() / "other" / "c.avif"]


def test_links_are_not_followed_and_loops_end(root: Path) -> None:
    before = names([root], root)
    (root / "sub" / "loop").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "out").symlink_to(root.parent / "outside")
    (root / "out.jpg").symlink_to(root.parent / "outside" / "secret.jpg")
    (root / "dangling.jpg").symlink_to("nowhere.jpg")
    assert names([root], root) == before


def test_a_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert names([tmp_path / "link"], root) == names([root], root)


def test_pipes_and_folders_named_like_pictures_are_passed_over(root: Path) -> None:
    before = names([root], root)
    os.mkfifo(root / "pipe.jpg")
    (root / "folder.jpg").mkdir()
    assert names([root], root) == before


def test_a_folder_that_cannot_be_read_is_logged_and_passed_over(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = scan([root])
    assert next(found).name == "a.png"
    (root / "other" / "c.avif").unlink()
    (root / "other").rmdir()  # it was listed already, and now it is gone
    with caplog.at_level(logging.WARNING):
        assert [path.name for path in found] == ["b.JPG", "d.webp", "e.tiff"]
    assert str(root / "other") in caplog.text


def test_a_root_that_does_not_exist_is_an_error_at_once(root: Path) -> None:
    with pytest.raises(NoSuchPath, match="missing"):
        scan([root, root / "missing"])
    (root / "self").symlink_to("self")
    with pytest.raises(NoSuchPath, match="self"):
        scan([root / "self"])


def test_a_relative_path_is_sought_in_each_root(root: Path) -> None:
    roots = [root / "sub", root]
    assert resolve_under("deep", roots) == root.resolve() / "sub" / "deep"
    assert resolve_under("other", roots) == root.resolve() / "other"
    assert resolve_under(".", [root]) == root.resolve()


def test_an_absolute_path_within_a_root_is_allowed(root: Path) -> None:
    assert resolve_under(str(root / "sub"), [root]) == root.resolve() / "sub"


def test_a_link_within_the_root_is_resolved(root: Path) -> None:
    (root / "link").symlink_to("sub")
    assert resolve_under("link/deep", [root]) == root.resolve() / "sub" / "deep"


def test_what_is_within_the_root_and_does_not_exist_is_missing(root: Path) -> None:
    for path in ("nothing", "sub/nothing", "a.png/nothing", "x" * 5_000):
        with pytest.raises(NoSuchPath):
            resolve_under(path, [root])


ELSEWHERE = [
    "..",
    "../outside",
    "sub/../../outside",
    "sub/..",
    "../root-twin",
    "/",
    "/etc",
    "/etc/nothing",
    "/root/../etc",
]
BY_LINKS = ["out", "out/secret.jpg", "out/nothing", "self", "self/deep"]
NO_PATHS = ["a\0b", "\0", "\ud800"]


@pytest.mark.parametrize("path", [*ELSEWHERE, *BY_LINKS, *NO_PATHS])
def test_what_lies_outside_is_refused_whether_it_exists_or_not(root: Path, path: str) -> None:
    (root.parent / "root-twin").mkdir()
    (root / "out").symlink_to(root.parent / "outside")
    (root / "self").symlink_to("self")
    with pytest.raises(OutsideRoots):
        resolve_under(path, [root])


def test_without_roots_nothing_is_allowed(root: Path) -> None:
    with pytest.raises(OutsideRoots):
        resolve_under(str(root), [])


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("maze") / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "up").symlink_to("..")
    (root / "out").symlink_to("/etc")
    (root / "far").symlink_to("out/..")
    return root.resolve()


STEPS = st.sampled_from(
    ["..", ".", "", "sub", "up", "out", "far", "etc", "root", "passwd", "\0", "%2e%2e", "..\\", "~"]
)


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEPS, max_size=8))
def test_no_path_leads_out(maze: Path, steps: list[str]) -> None:
    try:
        real = resolve_under("/".join(steps), [maze])
    except (OutsideRoots, NoSuchPath):
        return
    assert Path(os.path.realpath(real)).is_relative_to(maze)
