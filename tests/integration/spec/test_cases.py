"""Every case of the text files: what is wrong is said in exactly these lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import Case, outcome, read_cases


@pytest.mark.parametrize("case", list(read_cases()), ids=lambda case: case.title)
def test_the_lines_of_a_case(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "shop"
    project.mkdir()
    monkeypatch.chdir(project)
    problems, warnings = outcome(case, project)
    assert (problems, warnings) == (case.problems, case.warnings)
