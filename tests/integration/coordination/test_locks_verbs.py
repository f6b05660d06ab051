"""`fleet locks`: who holds which file."""

from __future__ import annotations

from reconciler.control.desk import specialists
from reconciler.control.desk.desk import Desk
from tests.support.terminal import Terminal


def test_nothing_is_reserved_at_first(terminal: Terminal) -> None:
    assert terminal.fleet("locks", "list").out == "nothing is reserved\n"
    assert terminal.fleet("locks", "list", "--json").json == {"locks": [], "deadlocks": []}


def test_files_are_reserved_listed_and_given_back(terminal: Terminal, desk: Desk) -> None:
    ann = desk.run(specialists.register(name="ann")).value.id
    (terminal.directory / "a.py").write_text("1")
    said = terminal.fleet("locks", "reserve", "a.py", "docs/", "--as", "ann", "--for", "1h").out.splitlines()
    assert said[0].startswith(f"a.py is reserved for {ann} (lock_")
    held = terminal.fleet("locks", "list", "--by", "ann", "--json").json["locks"]
    assert [one["normalized_path"] for one in held] == ["a.py", "docs/**"]
    assert held[0]["checksum"].startswith("sha256:")
    refused = terminal.fleet("locks", "reserve", "docs/index.md")
    assert (refused.code, f"held by {ann} until" in refused.err) == (1, True)
    table = terminal.fleet("locks", "list").out.splitlines()
    assert table[0].split() == ["PATH", "FOR", "BY", "SINCE", "LEFT", "LOCK"]
    assert max(map(len, table)) <= 80
    assert terminal.fleet("locks", "release", "a.py").code == 1
    assert terminal.fleet("locks", "release", "a.py", "--as", "ann").out == "a.py is free\n"
    freed = terminal.fleet("locks", "release", held[1]["id"], "--force", "--json").json
    assert freed[0]["status"] == "released"
    assert terminal.fleet("locks", "list").out == "nothing is reserved\n"
    assert [one["status"] for one in terminal.fleet("locks", "list", "--all", "--json").json["locks"]] == [
        "released",
        "released",
    ]
    assert "released" in terminal.fleet("locks", "list", "--all").out


def test_a_file_that_was_to_be_read_and_changed_is_told_of(terminal: Terminal) -> None:
    file = terminal.directory / "a.py"
    file.write_text("1")
    document = terminal.fleet("locks", "reserve", "a.py", "--purpose", "read", "--json").json
    assert document[0]["purpose"] == "read"
    file.write_text("2")
    terminal.fleet("locks", "release", "a.py")
    conflicts = terminal.fleet("events", "--type", "ctk_conflict", "--json").json_lines
    assert [one["data"]["conflict_type"] for one in conflicts] == ["checksum_mismatch"]


def test_a_deadlock_is_named(terminal: Terminal) -> None:
    terminal.fleet("locks", "reserve", "a", "--as", "ann")
    terminal.fleet("locks", "reserve", "b", "--as", "bob")
    terminal.fleet("locks", "reserve", "b", "--as", "ann")
    closing = terminal.fleet("locks", "reserve", "a", "--as", "bob")
    assert "deadlock: ann waits for b of bob, bob waits for a of ann" in closing.err
    assert "fleet locks release" in closing.err
    assert terminal.fleet("locks", "list").out.splitlines()[-1].startswith("deadlock: ann waits")
    (found,) = terminal.fleet("locks", "list", "--json").json["deadlocks"]
    assert found["paths"] == ["b", "a"]
