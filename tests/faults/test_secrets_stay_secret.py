"""Canaries: values of secrets go through everything that Fleet does and are found in nothing that it keeps or says."""

from __future__ import annotations

import base64
import json
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.paths import project_hash
from reconciler.runtime.podman import Podman
from tests.support.installed import Installed
from tests.support.podman import BUSYBOX

CANARIES = {
    "plain": "canary-1c0ffee5-plain",
    "short": "qZ7#",
    "awkward": "canary 2/?&=+%'\"$(id)`x`",
    "lines": "canary-3-first\ncanary-3-second\ncanary-3-third",
    "told": "canary-4-from-a-command",
    "hook": "http://127.0.0.1:9/canary-5-hook?x=canary-6",
}

FLEET = f"""
version: 1
name: NAME
secrets:
  plain: {{env: CANARY_PLAIN}}
  short: {{env: CANARY_SHORT}}
  awkward: {{env: CANARY_AWKWARD}}
  lines: {{file: ./lines.txt}}
  told: {{command: [cat, told.txt]}}
  hook: {{env: CANARY_HOOK}}
services:
  holder:
    image: {BUSYBOX}
    command: [sleep, "3600"]
    stop_signal: SIGKILL
    environment: {{A: {{secret: plain}}, B: {{secret: short}}, C: {{secret: awkward}}}}
    secrets: [lines, told]
  talker:
    image: {BUSYBOX}
    command: [sh, -c, 'echo "$A"; echo "$B" >&2; cat /run/secrets/lines; sleep 3600']
    stop_signal: SIGKILL
    environment: {{A: {{secret: plain}}, B: {{secret: short}}}}
    secrets: [lines]
    healthcheck: {{test: [CMD-SHELL, 'echo "$A $B" $(printf %s "$A" | base64); cat /run/secrets/lines; exit 1'], interval: 200ms, retries: 1}}
  quitter:
    image: {BUSYBOX}
    command: [sh, -c, 'echo "$A $B"; cat /run/secrets/lines; exit 3']
    job: true
    environment: {{A: {{secret: awkward}}, B: {{secret: told}}}}
    secrets: [lines]
specialists:
  agent:
    harness: shell
    environment: {{T: {{secret: plain}}}}
missions:
  tell:
    title: Tell
    sorties:
      all: {{title: Tell it, run: 'echo "done with $T $(printf %s "$T" | base64)"; echo "$T" >&2; exit 1'}}
notifications:
  - {{events: [apply_failed, "drift_*"], webhook: {{secret: hook}}}}
"""


def shapes(value: str) -> set[bytes]:
    """The value as it may be written: as it is, line by line, and in the usual encodings."""
    found = {value, urllib.parse.quote(value), urllib.parse.quote_plus(value), json.dumps(value)[1:-1]}
    found |= {base64.b64encode(value.encode()).decode().rstrip("=")}
    found |= set(value.splitlines())
    return {one.encode() for one in found if len(one) >= 4}


class Arguments:
    """Watches the arguments of every process of this machine while a block runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Arguments:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue


@pytest.fixture
def project(
    tmp_path: Path, podman_socket: str, busybox_image: str, unique_name: str, clean_up: Callable[[str], str]
) -> Installed:
    directory = tmp_path / "project"
    directory.mkdir()
    clean_up(project_hash(directory))
    environment = {
        "FLEET_DATA_DIR": str(tmp_path / "data"),
        "FLEET_PODMAN_SOCKET": podman_socket,
        "FLEET_DATABASE_URL": "",
        **{f"CANARY_{name.upper()}": CANARIES[name] for name in ("plain", "short", "awkward", "hook")},
    }
    made = Installed(directory, environment)
    made.write(CANARIES["lines"], "lines.txt")
    made.write(CANARIES["told"], "told.txt")
    made.write(FLEET.replace("NAME", unique_name))
    return made


def everything_said(project: Installed, kept: Path) -> str:
    """What the verbs print and write, one after the other."""
    said: list[str] = []

    def fleet(*words: str) -> None:
        done = project.fleet(*words, code=None)
        assert "Usage:" not in done.out + done.err, done.err
        said.extend((done.out, done.err))

    fleet("validate")
    fleet("config")
    fleet("plan")
    fleet("plan", "--json")
    fleet("plan", "--out", str(kept / "plan.fleet"))
    fleet("apply", "--yes", "--wait", "--timeout", "8s", "--diff")
    for words in (
        ("status",),
        ("status", "--json"),
        ("plan", "--markdown"),
        ("drift", "--json"),
        ("history", "--json"),
        ("events", "--json", "--limit", "0"),
        ("why", "service/talker"),
        ("why", "service/quitter", "--json"),
        ("why", "sortie/tell/all"),
        ("missions", "show", "tell", "--json"),
        ("sorties", "list", "--all", "--json"),
        ("specialists", "list", "--json"),
        ("doctor", "--json"),
        ("bundle", "--out", str(kept / "bundle.tar.gz")),
        ("backup", "--to", str(kept)),
        ("compact", "--keep", "0"),
        ("verify",),
        ("replay", "--against", "fleet.yaml"),
    ):
        fleet(*words)
    project.environment["CANARY_PLAIN"] = ""
    fleet("plan")
    fleet("apply", "--yes", "--json", "--timeout", "8s")
    return "\n".join(said)


def test_a_secrets_value_is_found_nowhere(project: Installed, podman: Podman, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    with Arguments() as arguments:
        said = everything_said(project, kept)
    places = {"what was printed": said.encode()}
    for folder in (tmp_path / "data", kept):
        places |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = podman.observe(project.project).containers
    assert found
    places |= {f"labels of {one.name}": repr(one.labels).encode() for one in found}
    places["arguments of processes"] = b"\n".join(arguments.seen)
    assert any(path.endswith("squawk.db") for path in places)
    leaks = [
        (name, place)
        for name, value in CANARIES.items()
        for shape in shapes(value)
        for place, content in places.items()
        if shape in content
    ]
    assert leaks == []


def test_what_fleet_keeps_is_for_its_owner_only(project: Installed, tmp_path: Path) -> None:
    project.fleet("apply", "--yes", "--no-wait", code=None)
    project.fleet("backup", code=None)
    project.fleet("bundle", "--out", str(tmp_path / "bundle.tar.gz"), code=None)
    kept = [tmp_path / "bundle.tar.gz", *(tmp_path / "data").rglob("*")]
    for path in kept:
        allowed = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 & ~allowed == 0, f"{path}: {path.stat().st_mode:o}"
