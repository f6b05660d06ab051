"""File descriptors, memory and threads run out: an error that says so, nothing lost, and afterwards all is well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import ActionFailed, OutOfResources, out_of_resources
from reconciler.ops.verify import verify
from tests.faults.conftest import chosen
from tests.faults.settled import SLEEPER
from tests.integration.apply.yard import Yard

FLEET = Path(sys.executable).with_name("fleet")
# What Fleet may end with: done, something failed, no engine, no log. Not a defect, and no code of the shell's.
CODES = {0, 1, 5, 6}
DESCRIPTORS = [("n", number) for number in (5, 6, 7, 9, 10, 11, 12, 14, 18)]
KILOBYTES = [("v", number) for number in (40_000, 55_000, 60_000, 80_000, 100_000, 120_000, 200_000)]


def _limited(yard: Yard, flag: str, most: int, *words: str) -> subprocess.CompletedProcess[str]:
    shell = f'ulimit -{flag} {most}; exec "$@"'
    return subprocess.run(
        ["sh", "-c", shell, "sh", str(FLEET), *words],
        cwd=yard.folder,
        env=yard.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("limits", [DESCRIPTORS, KILOBYTES], ids=["descriptors", "memory"])
def test_an_apply_at_the_limit(yard: Yard, limits: list[tuple[str, int]]) -> None:
    for number, (flag, most) in enumerate(chosen(limits, 1)):
        replicas = 1 + 2 * (number % 2)
        yard.write(f"web: {{{SLEEPER}, replicas: {replicas}}}")
        ended = _limited(yard, flag, most, "apply", "--yes")
        told = (flag, most, ended.returncode, ended.stderr)
        assert ended.returncode in CODES, told
        assert "a defect of Fleet" not in ended.stderr, told
        assert "Traceback" not in ended.stderr, told
        yard.apply()
        assert yard.plan() == [], told
        assert yard.states() == {f"web-{one}": "running" for one in range(1, replicas + 1)}, told
        report = verify(yard.database)
        assert report.sound, (told, report.faults)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't start new thread"),
        OSError(24, "Too many open files"),
        OSError(23, "Too many open files in system"),
        OSError(12, "Cannot allocate memory"),
        BlockingIOError(11, "Resource temporarily unavailable"),
        ImportError("x.so: failed to map segment from shared object"),
        ImportError("x.so: cannot open shared object file: Too many open files"),
    ],
)
def test_what_runs_out_is_said(error: Exception) -> None:
    found = out_of_resources(error)
    assert isinstance(found, OutOfResources)
    assert (found.exit_code, found.code) == (1, "out_of_resources")
    assert "ulimit" in found.hint


def test_nothing_else_is_taken_for_a_limit() -> None:
    for error in (RuntimeError("no"), OSError(2, "No such file"), ImportError("no module"), ActionFailed("no")):
        assert out_of_resources(error) is None
