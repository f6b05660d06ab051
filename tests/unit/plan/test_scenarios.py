"""Every scenario file gives the plan that it says, and nothing is left to do once that is carried out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.plan.scenario import FOLDER, Scenario, scenarios


def _name(path: Path) -> str:
    return str(path.relative_to(FOLDER).with_suffix(""))


@pytest.mark.parametrize("path", scenarios(), ids=_name)
def test_the_plan_is_what_the_scenario_says(path: Path) -> None:
    scenario = Scenario(path)
    if "error" in scenario.document:
        assert scenario.said() == scenario.document["error"]
        return
    assert scenario.said() == scenario.expected
    again = scenario.plan_after()
    assert again is None or again.actions == ()
