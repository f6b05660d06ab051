"""The check that fails a build whose tests run too little of the package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[3] / "scripts" / "check_coverage.py"


def report(tmp_path: Path, *, lines: tuple[int, int], branches: tuple[int, int]) -> Path:
    """A report of coverage's with so many covered lines and branches of so many."""
    summary = {
        "covered_lines": lines[0],
        "num_statements": lines[1],
        "missing_lines": lines[1] - lines[0],
        "covered_branches": branches[0],
        "num_branches": branches[1],
        "missing_branches": branches[1] - branches[0],
    }
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps({"totals": summary, "files": {"reconciler/x.py": {"summary": summary}}}))
    return path


def check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECK), str(path), "--lines", "95", "--branches", "90"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("lines", "branches", "code"),
    [
        ((95, 100), (90, 100), 0),
        ((949, 1000), (100, 100), 1),
        ((100, 100), (89, 100), 1),
        ((10, 10), (0, 0), 0),
    ],
)
def test_lines_and_branches_each_have_their_bound(
    lines: tuple[int, int], branches: tuple[int, int], code: int, tmp_path: Path
) -> None:
    assert check(report(tmp_path, lines=lines, branches=branches)).returncode == code


def test_the_files_that_lack_most_are_named(tmp_path: Path) -> None:
    answer = check(report(tmp_path, lines=(1, 3), branches=(0, 4)))
    assert "33.33 % of lines (at least 95), 0.00 % of branches (at least 90)" in answer.stdout
    assert "reconciler/x.py: 2 lines, 4 branches" in answer.stderr
