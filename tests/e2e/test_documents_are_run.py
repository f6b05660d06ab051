"""Every command line of the documents is run, in the order in which they stand, and prints what they say."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.support.documents import Typed, Written, prints, steps
from tests.support.installed import FLEET, Installed

DOCUMENTS = sorted(
    path.relative_to(ROOT / "docs")
    for path in [ROOT / "docs" / "tutorial.md", *(ROOT / "docs" / "how-to").glob("*.md")]
)
# Commands that have a test of their own, because they are about the whole checkout.
ELSEWHERE = {"make demo": "tests/e2e/test_demo.py", "make clean-demo": "tests/e2e/test_demo.py"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_a_reader_gets_what_the_document_says(
    document: Path, installed: Installed, unique_name: str, free_ports: Callable[[int], list[int]], tmp_path: Path
) -> None:
    # Two readers on one machine would be in each other's way.
    renamed = {"name: shop": f"name: {unique_name}", "shop-web": f"{unique_name}-web", "18080": str(free_ports(1)[0])}
    environment = {name: value for name, value in {**os.environ, **installed.environment}.items() if value}
    environment |= {"PATH": f"{FLEET.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    for step in steps(ROOT / "docs" / document):
        text = step.text if isinstance(step, Written) else step.command
        for old, new in renamed.items():
            text = text.replace(old, new)
        if isinstance(step, Written):
            path = installed.directory / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((path.read_text() if step.append else "") + text)
        elif step.command in ELSEWHERE:
            assert step.command in (ROOT / ELSEWHERE[step.command]).read_text()
        else:
            run(step, text, installed.directory, environment, renamed)


def run(step: Typed, command: str, folder: Path, environment: dict[str, str], renamed: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    for line in step.printed:
        for old, new in renamed.items():
            line = line.replace(old, new)
        assert prints(done.stdout, line), f"$ {command}\n{done.stdout}\nhas no line: {line}"
