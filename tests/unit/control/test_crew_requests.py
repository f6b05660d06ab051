"""What people ask of specialists: which are meant, and which wishes are worth an event."""

from __future__ import annotations

import pytest

from reconciler.control.crew_requests import Asked, chosen_specialists, start_requests, stop_requests
from reconciler.errors import NotFound
from reconciler.projections.pools import ProjectedPool
from reconciler.projections.projected import Projected, ProjectedBackoff
from reconciler.spec.desired import Desired, SpecialistSpec
from tests.support.crews import told

FLEET = Desired(
    name="shop",
    project="p",
    specialists={"builder": SpecialistSpec(name="builder", replicas=2), "reviewer": SpecialistSpec(name="reviewer")},
)
ALL, FIRST, SECOND = Asked("builder"), Asked("builder", 1), Asked("builder", 2)


def log(*, failing: str = "", **pool: object) -> Projected:
    known = ProjectedPool("builder", {"name": "builder"}, "v1:a", **pool)  # type: ignore[arg-type]
    return Projected(pools={"builder": known}, backoffs={failing: ProjectedBackoff(1)} if failing else {})


def test_names_mean_specialists_or_replicas() -> None:
    assert chosen_specialists(FLEET, []) == (ALL, Asked("reviewer"))
    assert chosen_specialists(FLEET, ["builder", "specialist/builder/2", "builder"]) == (ALL, SECOND)
    for name, hint in (
        ("bulider", "did you mean builder"),
        ("x", "known: builder, reviewer"),
        ("builder/3", "2 replicas"),
    ):
        with pytest.raises(NotFound) as refused:
            chosen_specialists(FLEET, [name])
        assert hint in refused.value.hint
    with pytest.raises(NotFound, match="no specialist 'x'"):
        chosen_specialists(Desired(name="shop", project="p"), ["x"])


def test_a_wish_that_holds_is_not_wished_for_again() -> None:
    assert told(stop_requests(log(), [ALL])) == ["specialist_stop_requested builder/"]
    assert told(stop_requests(log(), [SECOND], drain=True)) == ["specialist_stop_requested builder/2 drain=True"]
    assert stop_requests(log(wanted="down"), [ALL, FIRST]) == []
    assert stop_requests(log(stopped=(1,)), [FIRST]) == []
    assert len(stop_requests(log(stopped=(1,)), [ALL, SECOND])) == 2
    assert stop_requests(log(), [Asked("reviewer")]) == []


def test_a_stop_after_a_drain_ends_the_waiting() -> None:
    drains = log(wanted="down", draining=(0,))
    assert stop_requests(drains, [ALL], drain=True) == []
    assert told(stop_requests(drains, [ALL])) == ["specialist_stop_requested builder/"]


def test_up_again_is_for_what_is_down_or_failing() -> None:
    assert start_requests(log(), [ALL, FIRST, Asked("reviewer")]) == []
    assert told(start_requests(log(wanted="down"), [ALL])) == ["specialist_start_requested builder/"]
    assert told(start_requests(log(stopped=(2,)), [ALL, FIRST, SECOND])) == [
        "specialist_start_requested builder/",
        "specialist_start_requested builder/2",
    ]
    assert len(start_requests(log(failing="specialist/builder/1"), [ALL, FIRST, SECOND])) == 2
    assert start_requests(log(failing="specialist/builders/1"), [ALL]) == []
