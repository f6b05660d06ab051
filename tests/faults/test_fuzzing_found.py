"""What fuzzing has found once, kept as it was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import SpecInvalid
from reconciler.spec.inputs import LoadOptions
from reconciler.spec.load import load


def test_a_key_of_tabs_above_a_variable_is_shown_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("servic\t\t  web:\n  image: ${image}\n")
    with pytest.raises(SpecInvalid) as refused:
        load(file, project=tmp_path, options=LoadOptions())
    assert all(str(problem).isprintable() for problem in refused.value.problems)
