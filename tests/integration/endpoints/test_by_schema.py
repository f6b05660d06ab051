"""The whole interface against its own description: whatever is sent, no defect, and no answer that is not described.

`FLEET_SCHEMA_EXAMPLES=150` asks much more of each endpoint, and something else each time.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reconciler.api.openapi import FILE
from tests.integration.endpoints.conftest import Served
from tests.integration.endpoints.world import World

EXAMPLES = int(os.environ.get("FLEET_SCHEMA_EXAMPLES", "2"))
LONG = EXAMPLES > 2
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# It never ends; that it is described rightly is held where streams are followed.
ENDLESS = "stream_events"
# Waiting is what these are for.
PATIENCE = ("wait_ms", "wait_lease_ms")

SCHEMA = schemathesis.openapi.from_path(FILE).exclude(operation_id=ENDLESS)
OPERATIONS = {operation.label: operation for found in SCHEMA.get_all_operations() if (operation := found.ok())}
HOW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=not LONG,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def calm(case: Case) -> None:
    """Let nobody wait."""
    if isinstance(case.body, dict):
        case.body.update({name: 0 for name in PATIENCE if name in case.body})


def ask(case: Case, served: Served) -> Any:
    """Send it, and hold the answer against the description."""
    calm(case)
    headers = {"authorization": f"Bearer {served.token}"}
    answer = case.call(base_url=served.url, headers=headers, timeout=30)
    case.validate_response(answer, checks=CHECKS)
    return answer


@pytest.mark.parametrize(
    ("label", "mode"),
    [(label, GenerationMode.POSITIVE) for label in OPERATIONS]
    # What takes nothing can be given nothing wrong.
    + [(label, GenerationMode.NEGATIVE) for label, one in OPERATIONS.items() if [*one.iter_parameters(), *one.body]],
)
def test_no_answer_is_outside_the_description(label: str, mode: GenerationMode, served: Served) -> None:
    operation: Any = OPERATIONS[label]

    @given(case=operation.as_strategy(generation_mode=mode))
    @HOW
    def one(case: Case) -> None:
        ask(case, served)

    one()


def links() -> dict[str, tuple[str, list[str]]]:
    """From each operation that makes something: its name in the answer, and the operations that take its id."""
    found: dict[str, tuple[str, list[str]]] = {}
    named = {operation.definition.raw["operationId"]: label for label, operation in OPERATIONS.items()}
    for label, operation in OPERATIONS.items():
        told = operation.definition.raw["responses"].get("201", {}).get("links", {})
        for one in told.values():
            (parameter,) = one["parameters"]
            name = parameter.removeprefix("path.").removesuffix("_id")
            found.setdefault(label, (name, []))[1].append(named[one["operationId"]])
    return found


LINKS = links()


@pytest.mark.parametrize("label", LINKS)
def test_what_is_made_is_worked_on(label: str, served: Served, world: World) -> None:
    """By the links from an answer to what can be done with it, in any order, with things that are there beside it."""
    name, following = LINKS[label]
    there = {
        **dict.fromkeys(("specialist_id", "reviewer_id", "actor_id", "reader_id", "acker_id"), world["idle"]),
        "mission_id": world["open_mission"],
        "sortie_id": world["reviewed"],
        "thread_id": world["thread"],
        "name": "tidy",
    }
    made: Any = OPERATIONS[label].as_strategy()
    steps: Any = st.lists(
        st.one_of([OPERATIONS[one].as_strategy() for one in following]), min_size=4, max_size=30 if LONG else 8
    )

    def placed(case: Case) -> Case:
        if isinstance(case.body, dict):
            case.body.update({field: there[field] for field in there.keys() & case.body.keys()})
        return case

    @given(first=made, then=steps)
    @HOW
    def story(first: Case, then: list[Case]) -> None:
        answer = ask(placed(first), served)
        if answer.status_code != 201:
            return
        key = answer.json()[name]["id"]
        for case in then:
            case.path_parameters = {**case.path_parameters, f"{name}_id": quote(key, safe="")}
            ask(placed(case), served)

    story()
