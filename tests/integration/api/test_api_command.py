"""`fleet serve`, `fleet watch --serve` and `fleet tokens` as people start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

FLEET = str(Path(sys.executable).with_name("fleet"))


@contextmanager
def running(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A command that serves, and what it says of where."""
    environment = {**os.environ, "FLEET_DATA_DIR": str(folder / "data")}
    started = subprocess.Popen(
        [FLEET, *words, "--port", "0", "--json"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        yield started, json.loads(started.stdout.readline())
    finally:
        started.kill()
        started.communicate()


def fleet(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FLEET_DATA_DIR": str(folder / "data")}
    return subprocess.run([FLEET, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with running(tmp_path, "serve") as (process, said):
        assert said["event"] == "listening"
        token = Path(said["token"]).read_text().strip()
        made = json.loads(
            fleet(tmp_path, "tokens", "create", "ci", "--scope", "read", "--expires", "1h", "--json").stdout
        )
        for secret in (token, made["token"]):
            headers = {"authorization": f"Bearer {secret}"}
            assert httpx.get(f"{said['at']}/api/v1/locks", headers=headers).json() == {"locks": []}
        for where in ("local", said["at"]):
            # Whoever can read the log's folder needs to be told neither the address nor the token.
            assert fleet(tmp_path, "--remote", where, "events", "--json").returncode == 0
        process.send_signal(number)
        assert process.wait(20) == code
    gone = fleet(tmp_path, "--remote", "local", "events")
    assert (gone.returncode, "no server runs here" in gone.stderr) == (5, True)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{said['at']}/health")


def test_watching_and_serving_at_once(tmp_path: Path, podman_socket: str) -> None:
    (tmp_path / "fleet.yaml").write_text("name: empty\n")
    with running(tmp_path, "watch", "--serve") as (process, said):
        assert said["event"] == "listening"
        assert httpx.get(f"{said['at']}/health/ready").json() == {"status": "ready"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    assert "no tokens" in fleet(tmp_path, "tokens", "list").stdout
    secret = fleet(tmp_path, "tokens", "create", "one", "--specialist", "spec_one").stdout.strip()
    assert secret.startswith("fleet_")
    (kept,) = json.loads(fleet(tmp_path, "tokens", "list", "--json").stdout)["tokens"]
    assert (kept["name"], kept["specialist"], kept["scopes"], kept["expires_at"]) == ("one", "spec_one", [], None)
    assert "as spec_one" in fleet(tmp_path, "tokens", "list").stdout
    assert fleet(tmp_path, "tokens", "create", "one", "--scope", "read").returncode == 1
    assert fleet(tmp_path, "tokens", "create", "two").returncode != 0
    wrong = fleet(tmp_path, "tokens", "create", "two", "--scope", "everything")
    assert (wrong.returncode, "no scope" in wrong.stderr) == (1, True)
    assert "is revoked" in fleet(tmp_path, "tokens", "revoke", "one").stdout
    assert fleet(tmp_path, "tokens", "revoke", "one").returncode == 1
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes()


def test_it_says_when_it_is_open(tmp_path: Path) -> None:
    with running(tmp_path, "serve", "--open-loopback") as (process, said):
        assert process.stdout is not None
        assert "without a token" in json.loads(process.stdout.readline())["event"]
        assert httpx.get(f"{said['at']}/api/v1/locks").status_code == 200
    refused = fleet(tmp_path, "serve", "--host", "0.0.0.0")
    assert (refused.returncode, "tls-cert" in refused.stderr) == (1, True)
