"""How waiting for missions looks on a terminal, and what is said at the end."""

from __future__ import annotations

import pytest
from rich.console import Console

from reconciler.cli import work_progress
from reconciler.control.awaiting import Ending, Standing, Waited
from reconciler.ops.work_view import MissionView, SortieView

MISSION = MissionView("msn_1", "login", 1, "Log in", "in_progress", "medium", {"completed": 1, "pending": 1}, 0, 0, None, "", False, {})  # fmt: skip


def sortie(name: str, status: str, doing: str = "", attempt: int = 1) -> SortieView:
    return SortieView(
        f"sortie_{name}", f"sortie/login/{name}", name, "msn_1", status, name, "medium", "ada", attempt, 0, doing, 0, None, None, {}
    )  # fmt: skip


STANDING = Standing((MISSION,), (sortie("design", "completed", "well made"), sortie("build", "in_progress", "40 %", 2)))


def test_a_person_sees_every_sortie_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_progress, "colour_wanted", lambda: True)
    shown = work_progress._watcher(as_json=False)
    assert isinstance(shown, work_progress._Live)
    console = Console(width=100)
    with shown, console.capture() as before:
        console.print(shown._picture())
    assert before.get().strip() == ""
    shown(STANDING, STANDING.sorties)
    with console.capture() as after:
        console.print(shown._picture())
    assert after.get().splitlines()[:3] == [
        "mission/login  1 of 2 done",
        "  completed   sortie/login/design by ada: well made",
        "  in progress sortie/login/build by ada (attempt 2): 40 %",
    ]


@pytest.mark.parametrize(
    ("ending", "last"),
    [
        ("interrupted", "Interrupted; the missions go on without this command."),
        ("timed_out", "Out of time after 1.5 s; the missions go on without this command."),
        ("completed", "mission/login in progress, 1 of 2 sorties done"),
    ],
)
def test_what_is_said_at_the_end(ending: Ending, last: str) -> None:
    assert work_progress._sentences(Waited(ending, STANDING, 1.5))[-1] == last
