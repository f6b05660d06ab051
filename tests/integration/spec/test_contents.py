"""Digests of build contexts and config files on a real file system."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reconciler.spec.contents import (
    context_digest,
    context_members,
    context_stamp,
    file_digest,
    newest_change,
    values_digest,
)
from reconciler.spec.source import Unreadable, read_regular, shown_path

FILES = [
    "Containerfile",
    "a.txt",
    "b.log",
    "src/app.py",
    "src/app.pyc",
    "src/deep/x.log",
    "src/deep/keep.log",
    "docs/[x].md",
    "docs/y.md",
]


def write(folder: Path, *names: str, ignore: str = "", ignore_file: str = ".containerignore") -> Path:
    for name in names or FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    if ignore:
        (folder / ignore_file).write_text(ignore)
    return folder


def paths(folder: Path, containerfile: str = "") -> list[str]:
    return [member.path for member in context_members(folder, containerfile) if not member.path.startswith(".")]


def digest(folder: Path) -> str:
    return context_digest(context_members(folder))


@pytest.mark.parametrize(
    ("ignore", "left_out"),
    [
        ("", set()),
        ("# nothing\n\n", set()),
        ("*.log", {"b.log"}),
        ("**/*.log", {"b.log", "src/deep/x.log", "src/deep/keep.log"}),
        ("**/*.log\n!src/deep/keep.log", {"b.log", "src/deep/x.log"}),
        ("!b.log\n*.log", {"b.log"}),
        ("src", {"src/app.py", "src/app.pyc", "src/deep/x.log", "src/deep/keep.log"}),
        ("/src/", {"src/app.py", "src/app.pyc", "src/deep/x.log", "src/deep/keep.log"}),
        ("./src/deep", {"src/deep/x.log", "src/deep/keep.log"}),
        ("src/*.py?", {"src/app.pyc"}),
        ("src/*.py[a-d]", {"src/app.pyc"}),
        ("src/*.py[!a-b]", {"src/app.pyc"}),
        ("docs/\\[x\\].md", {"docs/[x].md"}),
        ("src/**", {"src/app.py", "src/app.pyc", "src/deep/x.log", "src/deep/keep.log"}),
        ("**/deep", {"src/deep/x.log", "src/deep/keep.log"}),
        ("*\n!src/app.py", {name for name in FILES if name not in {"src/app.py", "Containerfile"}}),
        ("*", {name for name in FILES if name != "Containerfile"}),
        (".\n/\n!", set()),
        ("docs/[", set()),
    ],
)
def test_the_ignore_file_leaves_out(tmp_path: Path, ignore: str, left_out: set[str]) -> None:
    write(tmp_path, ignore=ignore)
    assert set(FILES) - set(paths(tmp_path)) == left_out


def test_dockers_ignore_file_counts_where_there_is_no_other(tmp_path: Path) -> None:
    write(tmp_path, ignore="a.txt", ignore_file=".dockerignore")
    assert "a.txt" not in paths(tmp_path)
    write(tmp_path, ignore="b.log")
    assert "a.txt" in paths(tmp_path)
    assert "b.log" not in paths(tmp_path)


def test_the_digest_follows_content_names_and_the_executable_bit_only(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other", *reversed(FILES))
    before = digest(one)
    assert digest(other) == before
    os.utime(one / "a.txt", (1, 1))
    (one / "a.txt").chmod(0o600)
    (one / "empty").mkdir()
    (one / ".git").mkdir()
    (one / ".git" / "index").write_text("x")
    assert digest(one) == before
    (one / "a.txt").chmod(0o755)
    executable = digest(one)
    (one / "a.txt").write_text("changed")
    changed = digest(one)
    (one / "a.txt").rename(one / "c.txt")
    assert len({before, executable, changed, digest(one)}) == 4


def test_links_are_kept_as_links_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    context = write(tmp_path / "context")
    (context / "link").symlink_to("../outside")
    (context / "file-link").symlink_to("/etc/passwd")
    before = digest(context)
    assert not any("secret" in path for path in paths(context))
    (outside / "secret").write_text("y")
    assert digest(context) == before
    (context / "link").unlink()
    (context / "link").symlink_to("elsewhere")
    assert digest(context) != before


def test_pipes_and_sockets_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path)
    before = digest(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert digest(tmp_path) == before


def test_a_container_file_from_elsewhere_counts(tmp_path: Path) -> None:
    context = write(tmp_path / "context", "a.txt")
    (tmp_path / "Other").write_text("FROM scratch")
    members = context_members(context, "../Other")
    assert [member.path for member in members] == ["../Other", "a.txt"]
    before = context_digest(members)
    (tmp_path / "Other").write_text("FROM other")
    assert context_digest(context_members(context, "../Other")) != before


@pytest.mark.parametrize(
    ("containerfile", "message"),
    [
        ("", "has neither a Containerfile nor a Dockerfile"),
        ("X", "has no container file X"),
        ("a\0b", "no container file"),
    ],
)
def test_a_context_without_its_container_file(tmp_path: Path, containerfile: str, message: str) -> None:
    write(tmp_path, "a.txt")
    with pytest.raises(Unreadable, match=message):
        context_members(tmp_path, containerfile)


def test_a_context_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="is not there"):
        context_members(tmp_path / "x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unreadable, match="is not a folder"):
        context_members(tmp_path / "file")


def test_a_file_that_goes_away_while_it_is_read(tmp_path: Path) -> None:
    members = context_members(write(tmp_path))
    (tmp_path / "a.txt").unlink()
    with pytest.raises(Unreadable, match="holds a.txt, which cannot be read"):
        context_digest(members)


def test_a_stamp_changes_with_every_write(tmp_path: Path) -> None:
    write(tmp_path)
    before = context_stamp(context_members(tmp_path))
    assert context_stamp(context_members(tmp_path)) == before
    os.utime(tmp_path / "a.txt", (1, 1))
    assert context_stamp(context_members(tmp_path)) != before
    assert newest_change(context_members(tmp_path)) > 0
    assert newest_change([]) == 0


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / os.fsdecode(b"odd\xff")).write_text("x")
    assert digest(tmp_path).startswith("sha256:")


def test_a_config_file_of_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xff\x00")
    assert file_digest(path) == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    with pytest.raises(Unreadable, match="is not there"):
        file_digest(tmp_path / "nothing")


def test_files_that_are_not_read(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "is a folder, not a file"),
        (Path("/dev/null"), "is a device, not a file"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
        (tmp_path / "a\0b", "has a name that no file can have"),
    ):
        with pytest.raises(Unreadable, match=message):
            read_regular(path, limit=10)
    path = tmp_path / "long"
    path.write_bytes(b"x" * 11)
    with pytest.raises(Unreadable, match="is larger than 10 bytes"):
        read_regular(path, limit=10)
    assert read_regular(path, limit=11) == b"x" * 11


def test_a_file_of_the_kernel_that_says_it_is_empty() -> None:
    assert b"processor" in read_regular(Path("/proc/cpuinfo"), limit=1_000_000)
    with pytest.raises(Unreadable, match="is larger than 10 bytes"):
        read_regular(Path("/proc/cpuinfo"), limit=10)


def test_a_path_is_shown_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "a" / "b") == "a/b"
    assert shown_path(Path("/etc/x")) == "/etc/x"


def test_values_of_env_files_by_meaning() -> None:
    assert values_digest({"A": "1", "B": "2"}, b"k") == values_digest({"B": "2", "A": "1"}, b"k")
    assert values_digest({"A": "1"}, b"k") != values_digest({"A": "1"}, b"other")
    assert values_digest({"A": "1"}, b"") == ""
