"""What comes from outside, mutated with the coverage as a guide: only typed errors, in bounded time and memory.

`FLEET_FUZZ_RUNS` says how many inputs each target gets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.fuzz_seeds import seeds

# It has no build for every machine; where it has one, the set-up has installed it.
pytest.importorskip("atheris")

ROOT = Path(__file__).resolve().parents[2]
RUNS = int(os.environ.get("FLEET_FUZZ_RUNS", "1500"))


@pytest.mark.parametrize("target", ["spec", "events", "squawk", "harness"])
def test_no_input_gets_past_the_typed_errors(target: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.fuzzing", target, str(corpus)]
        + [f"-runs={RUNS}", "-timeout=20", "-rss_limit_mb=1024", f"-artifact_prefix={tmp_path}/", "-seed=1"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "DONE" in done.stdout
