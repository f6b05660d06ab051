"""Logs of processes: private, kept small without losing what is written meanwhile, read from their end."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.runtime.process.logfile import end_of, follow, last_lines, open_log, trim, trim_all
from reconciler.runtime.process.model import environment_of, labels_of


def _append(path: Path, data: bytes, **how: int) -> None:
    descriptor = open_log(path, **how)
    os.write(descriptor, data)
    os.close(descriptor)


def test_a_large_one_is_put_aside_before_a_process_starts(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.log"
    for number in range(6):
        _append(path, b"%d\n" % number, limit=1, keep=3)
    assert path.read_bytes() == b"5\n"
    assert [(tmp_path / "logs" / f"a.log.{one}").read_bytes() for one in (1, 2, 3)] == [b"4\n", b"3\n", b"2\n"]
    assert not (tmp_path / "logs" / "a.log.4").exists()
    assert last_lines(path, None) == [b"2", b"3", b"4", b"5"]


def test_one_that_is_written_to_is_copied_and_emptied(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    descriptor = open_log(path)
    os.write(descriptor, b"before\n")
    assert not trim(path, limit=100)
    assert trim(path, limit=1)
    os.write(descriptor, b"after\n")
    os.close(descriptor)
    assert (path.read_bytes(), (tmp_path / "a.log.1").read_bytes()) == (b"after\n", b"before\n")
    assert (tmp_path / "a.log.1").stat().st_mode & 0o777 == 0o600
    (tmp_path / "b.log").mkdir()
    (tmp_path / "b.log" / "x").write_text("")
    trim_all(tmp_path, limit=0)
    assert path.read_bytes() == b""
    trim_all(tmp_path / "nowhere")


def test_the_last_lines_are_read_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    assert last_lines(path, 3) == []
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(30_000)))
    assert last_lines(path, 2) == [b"line 29998", b"line 29999"]
    assert last_lines(path, 0) == []
    assert last_lines(path, 1, end=14) == last_lines(path, None, end=14)[-1:] == [b"line 1"]
    assert len(last_lines(path, 20_000)) == 20_000


def test_following_gives_whole_lines_and_begins_anew_where_the_file_was_emptied(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n")
    lines = follow(path, end_of(path))
    assert next(lines) is None
    with path.open("ab") as file:
        file.write(b"one\ntw")
    assert [next(lines), next(lines)] == [b"one", None]
    with path.open("ab") as file:
        file.write(b"o\n")
    assert [next(lines), next(lines)] == [b"two", None]
    path.write_bytes(b"new\n")
    assert [next(lines), next(lines)] == [b"new", None]
    path.unlink()
    assert next(lines) is None


def test_marks_and_labels_are_the_same_in_two_spellings() -> None:
    labels = {"fleet.project": "p", "fleet.intent": "evt_1", "mine": "x"}
    assert environment_of(labels) == {"FLEET_PROJECT": "p", "FLEET_INTENT": "evt_1"}
    assert labels_of({**environment_of(labels), "PATH": "/"}) == {"fleet.project": "p", "fleet.intent": "evt_1"}
