"""What a path opens below a directory: its files, and never anything else."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anylane.contrib.files.opening import (
    MAX_DEPTH,
    MAX_LINKS,
    IsFolder,
    NotThere,
    Walk,
    names_of,
    open_file,
)


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory `public`, and secrets around it."""
    for name in ("public/a.txt", "public/docs/b.txt", "public/docs/deep/c.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    for name in ("secret/b.txt", "secret/deep/c.txt", "a.txt"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret")
    return tmp_path / "public"


def read(root: Path, path: str, *, follow: bool = False) -> str | None:
    """Return what a path opens, None if it opens nothing."""
    names = names_of(path, hidden=False)
    if not names:
        return None
    try:
        with Walk(str(root), follow=follow) as walk:
            walk.go(*names[:-1])
            with walk.file(names[-1]) as file:
                return file.read().decode()
    except (NotThere, IsFolder):
        return None


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a/b.txt", ("a", "b.txt")),
        ("a/", ("a",)),
        ("a..b/c...", ("a..b", "c...")),
        (".well-known/x", (".well-known", "x")),
        ("a:b/%2e", ("a:b", "%2e")),
        ("/", None),
        ("/a", None),
        ("a//b", None),
        ("a//", None),
        (".", None),
        ("..", None),
        ("a/..", None),
        ("a/../b", None),
        ("a/./b", None),
        ("../", None),
        (".git/config", None),
        ("a/.env", None),
        ("...", None),
        ("a\\..\\b", None),
        ("a\0.txt", None),
        ("x/" * MAX_DEPTH, ("x",) * MAX_DEPTH),
        ("x/" * MAX_DEPTH + "x", None),
    ],
)
def test_names_in_a_path(path: str, names: tuple[str, ...] | None) -> None:
    assert names_of(path, hidden=False) == names


def test_hidden_names_where_they_are_wanted() -> None:
    assert names_of(".git/config", hidden=True) == (".git", "config")
    assert names_of("a/../b", hidden=True) is None
    assert names_of("./b", hidden=True) is None


def test_files_and_folders(root: Path) -> None:
    assert read(root, "a.txt") == "public/a.txt"
    assert read(root, "docs/deep/c.txt") == "public/docs/deep/c.txt"
    with Walk(str(root), follow=False) as walk:
        for name in ("docs", "nothing", "a.txt/b", "x" * 300, "\udcff\ud800"):
            with pytest.raises((IsFolder, NotThere)):
                walk.file(name)
        with pytest.raises(NotThere):
            walk.go("a.txt")
        walk.go("docs", "deep")
        walk.file("c.txt").close()
        assert walk.has("c.txt")
        assert not walk.has("a.txt")


def test_what_is_no_regular_file_is_not_there(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "zero").symlink_to("/dev/zero")
    (root / "tty").symlink_to("/dev/tty")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    for follow in (False, True):
        for name in ("fifo", "zero", "tty", "socket"):
            assert read(root, name, follow=follow) is None
    for path in ("/dev/zero", str(root / "fifo"), str(root), str(root / "nothing"), "a\0b"):
        with pytest.raises(NotThere):
            open_file(path)


def test_what_becomes_a_fifo_between_two_looks_is_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swap(*_args: Any, **_options: Any) -> None:
        (root / "a.txt").unlink()
        os.mkfifo(root / "a.txt")

    before_call(monkeypatch, "open", 2, swap)  # The first one opens the directory.
    assert read(root, "a.txt") is None


def before_call(
    monkeypatch: pytest.MonkeyPatch, name: str, number: int, act: Callable[..., None]
) -> list[int]:
    """Have `act` called before the n-th call of a function of os. Return the list of calls."""
    original = getattr(os, name)
    calls: list[int] = []

    def call(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            act(*args, **options)
        return original(*args, **options)

    monkeypatch.setattr(os, name, call)
    return calls


@pytest.mark.parametrize("syscall", ["open", "stat"])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("swapped", ["docs", "docs/deep", "docs/deep/c.txt", "docs/b.txt"])
def test_a_link_that_is_put_in_the_way_leads_nowhere(
    root: Path, syscall: str, number: int, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever is exchanged for a link out of the directory, at whatever moment.
    def swap(*_args: Any, **_options: Any) -> None:
        (root / swapped).rename(root / "old")
        secret = str(root / swapped).replace("public/docs", "secret")
        (root / swapped).symlink_to(secret)

    for path in ("docs/deep/c.txt", "docs/b.txt"):
        with monkeypatch.context() as patch:
            before_call(patch, syscall, number, swap)
            assert read(root, path) in (None, f"public/{path}")
        if (root / swapped).is_symlink():
            (root / swapped).unlink()
            (root / "old").rename(root / swapped)


@pytest.mark.parametrize("syscall", ["open", "stat", "dup", "readlink", "fstat"])
@pytest.mark.parametrize(
    ("code", "absent"),
    [(errno.EMFILE, False), (errno.EIO, False), (errno.EACCES, True), (errno.ENOENT, True)],
)
def test_no_descriptor_is_lost_whatever_fails(
    root: Path, syscall: str, code: int, absent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "link.txt").symlink_to("docs/deep/../b.txt")
    (root / "rooted.txt").symlink_to(root / "docs" / "b.txt")

    def fail(*_args: Any, **_options: Any) -> None:
        raise OSError(code, "failed for a test")

    for path in ("docs/deep/c.txt", "link.txt", "rooted.txt"):
        number = 0
        while True:
            number += 1
            before = descriptors()
            with monkeypatch.context() as patch:
                calls = before_call(patch, syscall, number, fail)
                found, failed = None, None
                try:
                    found = read(root, path)
                except OSError as exc:
                    failed = exc.errno
            assert descriptors() == before
            if len(calls) < number:
                assert found is not None
                break
            assert found is None
            assert failed == (None if absent else code)


def test_what_may_not_be_read_says_why(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str, *_args: Any, **_options: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    before_call(monkeypatch, "open", 2, fail)
    with pytest.raises(NotThere) as caught, Walk(str(root), follow=False) as walk:
        walk.file("a.txt")
    assert caught.value.reason is not None
    assert "Permission denied: 'a.txt'" in caught.value.reason


def test_a_directory_that_is_gone_has_no_files(root: Path) -> None:
    assert read(root / "gone", "a.txt") is None
    assert read(root / "a.txt", "a.txt") is None


# --- links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "inside"),
    [
        ("a.txt", True),
        ("docs/b.txt", True),
        ("docs/../a.txt", True),
        ("docs/deep/../../a.txt", True),
        ("./docs//b.txt", True),
        ("../a.txt", False),
        ("../secret/b.txt", False),
        ("docs/../../a.txt", False),
        ("../public/a.txt", False),  # It leaves, even if it comes back.
        ("/etc/passwd", False),
        ("nothing", False),
        ("docs", False),
        ("a.txt/", False),
        ("a.txt/..", False),
    ],
)
def test_links_stay_inside(root: Path, target: str, inside: bool) -> None:
    (root / "link").symlink_to(target)
    assert (read(root, "link") is not None) is inside


def test_absolute_links_stay_inside(root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to(root / "a.txt")
    (root / "folder").symlink_to(root / "docs")
    (root / "here").symlink_to(root)
    (root / "beside").symlink_to(f"{root}-not/a.txt")
    (tmp_path / "public-not").mkdir()
    (tmp_path / "public-not" / "a.txt").write_text("secret")
    (root / "-not").mkdir()
    (root / "-not" / "a.txt").write_text("another file")
    (tmp_path / "current").symlink_to("public")
    for directory in (root, tmp_path / "current"):
        assert read(directory, "link") == "public/a.txt"
        assert read(directory, "folder/b.txt") == "public/docs/b.txt"
        assert read(directory, "docs/deep/c.txt") == "public/docs/deep/c.txt"
        assert read(directory, "here/here/a.txt") == "public/a.txt"
        assert read(directory, "beside") is None


def test_links_out_where_they_are_wanted(root: Path) -> None:
    (root / "link").symlink_to("../a.txt")
    (root / "folder").symlink_to("../secret")
    assert read(root, "link", follow=True) == "secret"
    assert read(root, "folder/deep/c.txt", follow=True) == "secret"
    assert read(root, "folder/../a.txt", follow=True) is None


def test_links_have_an_end(root: Path) -> None:
    (root / "round").symlink_to("round")
    (root / "ping").symlink_to("pong")
    (root / "pong").symlink_to("ping")
    (root / "inward").symlink_to("docs/inward")
    (root / "docs" / "inward").symlink_to("../inward")
    for name in ("round", "ping", "inward"):
        assert read(root, name) is None
    (root / "0").symlink_to("a.txt")
    for number in range(1, MAX_LINKS + 1):
        (root / str(number)).symlink_to(str(number - 1))
    assert read(root, str(MAX_LINKS - 1)) == "public/a.txt"
    assert read(root, str(MAX_LINKS)) is None


def test_a_link_leads_not_too_deep(root: Path) -> None:
    (root / "here").symlink_to(".")
    (root / "down").symlink_to("docs/" + "deep/../" * 400 + "b.txt")
    assert read(root, "down") == "public/docs/b.txt"
    folder = root
    for _ in range(MAX_DEPTH + 1):
        folder /= "d"
        folder.mkdir()
    (folder / "x.txt").write_text("deep")
    (root / "deepest").symlink_to("d/" * (MAX_DEPTH + 1) + "x.txt")
    assert read(root, "deepest") is None


NAMES = ["a.txt", "docs", "deep", "b.txt", "c.txt", "l0", "l1", "l2", "..", ".", "", "secret"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=6).map("/".join)


@settings(max_examples=150)
@given(data=st.data())
def test_no_tree_of_links_leads_out(data: st.DataObject, tmp_path_factory: Any) -> None:
    # What is opened is what the system resolves the path to, and lies inside.
    base = tmp_path_factory.mktemp("tree")
    root = base / "public"
    (root / "docs" / "deep").mkdir(parents=True)
    (base / "secret").mkdir()
    for file in ("public/a.txt", "public/docs/b.txt", "public/docs/deep/c.txt"):
        (base / file).write_text(file)
    for file in ("secret/a.txt", "secret/b.txt", "a.txt", "b.txt", "c.txt"):
        (base / file).write_text("secret")
    for link in ("l0", "docs/l1", "docs/deep/l2"):
        target = data.draw(paths)
        if data.draw(st.booleans()):
            target = f"{data.draw(st.sampled_from([root, base]))}/{target}"
        (root / link).symlink_to(target or ".")
    for path in data.draw(st.lists(paths, min_size=1, max_size=8)):
        found = read(root, path)
        if found is not None:
            real = Path(os.path.realpath(root / path))
            assert real.is_relative_to(root)
            assert found == real.read_text()


def test_what_was_opened_can_be_read(root: Path) -> None:
    with open_file(str(root / "a.txt")) as file:
        assert isinstance(file, FileIO)
        assert not os.get_inheritable(file.fileno())
        assert file.read() == b"public/a.txt"
