"""Values of secrets from real environments, files and commands, and the key of their digests."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from reconciler.errors import FleetError
from reconciler.spec import secrets
from reconciler.spec.desired import SecretSource
from reconciler.spec.secrets import KEY_BYTES, KEY_FILE, described, keyed_digest, make_key, read_key, resolve


def value(folder: Path, environ: dict[str, str] | None = None, **source: object) -> bytes:
    return resolve(SecretSource(name="pw", **source), project=folder, environ=environ or {"PATH": os.environ["PATH"]})  # type: ignore[arg-type]


def test_the_three_sources(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes(b"hunter2\n")
    assert value(tmp_path, {"PW": "hunter2"}, env="PW") == b"hunter2"
    assert value(tmp_path, file=str(tmp_path / "pw")) == b"hunter2"
    assert value(tmp_path, command=("cat", "pw")) == b"hunter2"
    assert value(tmp_path, {"PATH": os.environ["PATH"], "X": "y"}, command=("sh", "-c", "echo $X")) == b"y"


@pytest.mark.parametrize(
    ("written", "value_of_it"),
    [(b"a\n", b"a"), (b"a\r\n", b"a"), (b"a\n\n", b"a\n"), (b" a ", b" a "), (b"\xff\x00", b"\xff\x00")],
)
def test_one_line_end_is_not_part_of_the_value(tmp_path: Path, written: bytes, value_of_it: bytes) -> None:
    (tmp_path / "pw").write_bytes(written)
    assert value(tmp_path, file=str(tmp_path / "pw")) == value_of_it


def test_a_value_of_bytes_in_the_environment(tmp_path: Path) -> None:
    assert value(tmp_path, {"PW": "a\udcff"}, env="PW") == b"a\xff"


def test_a_command_reads_nothing_from_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="is empty"):
        value(tmp_path, command=("cat",))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"env": "NOTHING"}, "the environment variable NOTHING is not set"),
        ({"env": "EMPTY"}, "the secret pw is empty"),
        ({"file": "/nowhere/pw"}, "/nowhere/pw is not there"),
        ({"file": "/dev/zero"}, "is a device, not a file"),
        ({"file": "/proc"}, "is a folder, not a file"),
        ({"command": ("false",)}, "exit code 1"),
        ({"command": ("sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3")}, "exit code 3"),
        ({"command": ("/nowhere/program",)}, "cannot be run"),
        ({"command": ("a\0b",)}, "cannot be started"),
        ({"command": ("head", "-c", "600000", "/dev/zero")}, "longer than 512000 bytes"),
    ],
)
def test_a_secret_without_a_value_says_why_and_never_what(
    tmp_path: Path, source: dict[str, object], message: str
) -> None:
    with pytest.raises(FleetError, match=message) as failed:
        value(tmp_path, {"EMPTY": "", "PATH": os.environ["PATH"]}, **source)
    assert "hunter2" not in f"{failed.value} {failed.value.__cause__} {failed.value.__context__}".replace(
        "echo hunter2", ""
    )


def test_a_command_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_SECONDS", 0.05)
    with pytest.raises(FleetError, match="took longer than"):
        value(tmp_path, command=("sleep", "60"))


def test_sources_in_words() -> None:
    assert described(SecretSource(name="a", env="PW")) == "the environment variable PW"
    assert described(SecretSource(name="a", file="/x")) == "the file /x"
    assert described(SecretSource(name="a", command=("pass", "a b"))) == "the command pass 'a b'"


def test_a_password_in_a_command_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(FleetError) as failed:
        value(tmp_path, command=("/nowhere/vault", "--token=hunter2", "https://me:hunter2@host/x"))
    assert "hunter2" not in f"{failed.value} {failed.value.hint}"


def test_a_digest_needs_a_key_and_tells_nothing_without_it() -> None:
    assert keyed_digest(b"1234", b"") == ""
    one, other = keyed_digest(b"1234", b"k" * 32), keyed_digest(b"1234", b"l" * 32)
    assert one.startswith("hmac-v1:")
    assert one != other
    assert one == keyed_digest(b"1234", b"k" * 32)
    assert keyed_digest(b"1235", b"k" * 32) != one


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "shop"
    assert read_key(folder) == b""
    key = make_key(folder)
    assert len(key) == KEY_BYTES
    assert make_key(folder) == key == read_key(folder)
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_many_who_make_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    barrier = threading.Barrier(8)
    keys: list[bytes] = []

    def make() -> None:
        barrier.wait()
        keys.append(make_key(folder))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(keys) == 8


def test_a_damaged_key_is_said(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(FleetError, match="is damaged"):
        read_key(tmp_path)


def test_a_key_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(FleetError, match="cannot be read"):
        read_key(tmp_path)


def test_a_folder_that_is_none_has_no_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert read_key(tmp_path / "file") == b""
