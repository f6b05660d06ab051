"""Root takes no commands from a file that everybody may write to, not even one that it took them from before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import SpecInvalid
from reconciler.spec.inputs import LoadOptions, unchanged
from reconciler.spec.load import load

FLEET = "version: 1\nname: t\ninclude: [more.yaml]\n"
MORE = "services: {web: {image: busybox}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in (("fleet.yaml", FLEET), ("more.yaml", MORE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    return tmp_path


@pytest.mark.parametrize("name", ["fleet.yaml", "more.yaml"])
def test_root_refuses_a_file_that_everybody_may_write(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "fleet.yaml"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    before = load(file, project=project, options=LoadOptions())
    assert unchanged(before.inputs, file=file, project=project, options=LoadOptions())
    (project / name).chmod(0o666)
    assert not unchanged(before.inputs, file=file, project=project, options=LoadOptions())
    with pytest.raises(SpecInvalid, match=rf"{name}.*may be written by everybody.*chmod o-w"):
        load(file, project=project, options=LoadOptions())


def test_anybody_else_decides_about_their_own_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (project / "fleet.yaml").chmod(0o666)
    assert "web" in load(project / "fleet.yaml", project=project, options=LoadOptions()).desired.services
