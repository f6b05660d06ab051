"""The whole interface against its own description: whatever is sent, no defect, and no answer that is not described.

`FLEET_LONG` asks much more of each endpoint.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
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

LONG = bool(os.environ.get("FLEET_LONG"))
EXAMPLES = 150 if LONG else 2
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


def ask(case: Case, served: Served) -> None:
    """Send it, and hold the answer against the description."""
    calm(case)
    headers = {"authorization": f"Bearer {served.token}"}
    answer = case.call(base_url=served.url, headers=headers, timeout=30)
    case.validate_response(answer, checks=CHECKS)


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


class Story(SCHEMA.as_state_machine()):  # type: ignore[misc]
    """What was made is worked on, by the links from answers to what can be done with them."""

    served: Served

    def get_call_kwargs(self, case: Case) -> dict[str, Any]:
        return {"headers": {"authorization": f"Bearer {self.served.token}"}, "timeout": 30, "base_url": self.served.url}

    def before_call(self, case: Case) -> None:
        calm(case)

    def validate_response(self, response: Any, case: Case, **more: Any) -> None:
        case.validate_response(response, checks=CHECKS)


def test_what_is_made_is_worked_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Story, "served", served, raising=False)
    how = settings(HOW, max_examples=200 if LONG else 10, stateful_step_count=12 if LONG else 6)
    run_state_machine_as_test(Story, settings=how)
