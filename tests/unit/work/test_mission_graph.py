"""What the graph of a mission says: who may run, in which order, and how it looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.work.graph import cycle, draw, levels, mermaid, order, readiness, ready
from reconciler.work.state import Sortie, SortiePlan, When


def sortie(name: str, *depends_on: str, when: When = "", **fields: object) -> Sortie:
    return Sortie(id=name, plan=SortiePlan(name=name, depends_on=depends_on, when=when), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "one", "other", "state"),
    [
        ("", "completed", "completed", "ready"),
        ("success", "completed", "in_progress", "waiting"),
        ("success", "in_progress", "failed", "unreachable"),
        ("success", "completed", "cancelled", "unreachable"),
        ("failure", "completed", "failed", "ready"),
        ("failure", "in_progress", "failed", "waiting"),
        ("failure", "completed", "cancelled", "unreachable"),
        ("always", "failed", "cancelled", "ready"),
        ("always", "failed", "blocked", "waiting"),
    ],
)
def test_the_outcome_of_the_dependencies_decides(when: When, one: str, other: str, state: str) -> None:
    found = readiness(sortie("s", "one", "other", when=when), {"one": one, "other": other})
    assert found.state == state
    assert bool(found.text) == (state != "ready")


def test_an_unknown_dependency_counts_as_open_and_long_lists_are_cut() -> None:
    assert readiness(sortie("s", "a", "b", "c", "d"), {}).text == "it comes after a, b, c …"


def test_only_pending_sorties_are_ready() -> None:
    sorties = [sortie("a", status="completed"), sortie("b", "a"), sortie("c", "b"), sortie("d")]
    assert [s.id for s in ready(sorties)] == ["b", "d"]
    assert [s.id for s in ready(sorties, {"b": "completed"})] == ["c", "d"]


def test_levels_and_order() -> None:
    edges = {"deploy": ["build", "test"], "build": ["design"], "test": ["build"], "design": [], "docs": ["elsewhere"]}
    assert levels(edges) == (("design", "docs"), ("build",), ("test",), ("deploy",))
    assert order(edges) == ("design", "docs", "build", "test", "deploy")


def test_a_cycle_is_named_in_full_and_what_hangs_on_it_is_not_part_of_it() -> None:
    edges = {"tail": ["a"], "a": ["b"], "b": ["c"], "c": ["a"], "free": []}
    found = cycle(edges)
    assert found[0] == found[-1]
    assert set(found) == {"a", "b", "c"}
    assert all(before in edges[after] for before, after in zip(found, found[1:], strict=False))
    with pytest.raises(ValueError, match="a cycle: "):
        order(edges)
    assert cycle({"me": ["me"]}) == ("me", "me")


names = st.sampled_from("abcdefgh")


@given(st.dictionaries(names, st.lists(names, max_size=3)))
def test_an_order_holds_every_name_behind_its_dependencies_or_there_is_a_cycle(edges: dict[str, list[str]]) -> None:
    circle = cycle(edges)
    if circle:
        assert all(before in edges[after] for before, after in zip(circle, circle[1:], strict=False))
        return
    placed = order(edges)
    assert sorted(placed) == sorted(edges)
    place = {name: index for index, name in enumerate(placed)}
    assert all(place[d] < place[name] for name, deps in edges.items() for d in deps if d in edges)


GRAPH = [
    sortie("design", status="completed"),
    sortie("build", "design", status="in_progress", progress=40),
    sortie("check", "build", "elsewhere", when="always"),
    Sortie(id="x", title='Say "hi"\nnow', status="failed", plan=SortiePlan(depends_on=("design",), when="failure")),
]


def test_the_drawing_for_the_terminal() -> None:
    width = len('Say "hi"\nnow')
    assert draw(GRAPH) == "\n".join(
        [
            f" 1 ✔ {'design':<{width}}  completed",
            f" 2 ▶ {'build':<{width}}  in progress 40 % ← design",
            '   ✘ Say "hi"\nnow  failed ← design [when failure]',
            f" 3 · {'check':<{width}}  pending ← build [when always]",
        ]
    )
    assert draw([]) == ""


def test_the_drawing_for_documents() -> None:
    text = mermaid(GRAPH)
    assert text.splitlines()[:5] == [
        "flowchart TD",
        '    s0["design"]:::completed',
        '    s1["build"]:::in_progress',
        '    s2["check"]:::pending',
        '    s3["Say #quot;hi#quot; now"]:::failed',
    ]
    assert "    s0 --> s1" in text
    assert "    s1 -. always .-> s2" in text
    assert "    s0 -. on failure .-> s3" in text
    assert "classDef failed" in text
    assert "classDef blocked" not in text
