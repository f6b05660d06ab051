"""Which fields of a container are not as the log left them, and which of those differences a rule of the file hides. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from reconciler.events.envelope import NewEvent
from reconciler.plan.model import PlanOptions
from reconciler.plan.situation import Situation
from reconciler.projections.projected import Projected, ProjectedContainer
from reconciler.spec.desired import Desired

_RUNS = "running"
_SHORT = 12


def newly_hidden(desired: Desired, projected: Projected, options: PlanOptions) -> list[NewEvent]:
    """What rules of the file hide and the log does not say yet, each difference once for as long as its rule says the same."""
    if not desired.reconcile.ignore_drift:
        return []
    situation, events = Situation(desired, projected, options), []
    for service in sorted(situation.containers):
        for container in situation.containers[service]:
            for which, *_ in differing(situation, container):
                rule = situation.rule_for(service, container.replica, which)
                address = f"service/{service}/{container.replica}"
                if rule is None or projected.hidden_drifts.get((address, which)) == (rule.why, unix_ms(rule.until)):
                    continue
                data = {
                    "resource": address,
                    "field": which,
                    "why": rule.why,
                    "until": unix_ms(rule.until),
                    "by_file": True,
                }
                events.append(NewEvent("drift_ignored", "fleet", desired.name, data))
    return events


def unix_ms(until: str) -> int | None:
    """The end of a rule; None where it has none. Without a zone it is read in UTC, as everywhere."""
    if not until:
        return None
    ends = datetime.fromisoformat(until)
    return int((ends if ends.tzinfo is not None else ends.replace(tzinfo=UTC)).timestamp() * 1000)


def differing(situation: Situation, container: ProjectedContainer) -> Iterator[tuple[str, Any, Any, str]]:
    """Field, what the log expects, what is, and the cause where no event tells it."""
    expected = _expected_state(situation, container)
    if expected:
        code = f" ({container.exit_code})" if container.state == "exited" and container.exit_code is not None else ""
        yield "state", expected, f"{container.state}{code}", ""
    known = situation.services.get(container.service)
    if known is not None and not container.adopted and situation.definition(container.digest) is None:
        yield "definition", known.digest, container.digest, "it was made from something that the log does not know"
    for name, found in sorted(container.drift.items()):
        yield name, found.get("expected"), found.get("actual"), ""
    image = _image(situation, container)
    if image:
        made_of, here = image
        yield "image", made_of, here, f"{container.image} was re-tagged: it points to another image now"


def _expected_state(situation: Situation, container: ProjectedContainer) -> str:
    """The state that a container was left in by Fleet, where it is in another one; empty when it is as it should be."""
    if container.second:
        return "absent" if container.state != "missing" else ""
    known = situation.services.get(container.service)
    if known is not None and known.wanted == "down":
        return "stopped" if container.external and container.state in (_RUNS, "paused") else ""
    if container.state == _RUNS or container.completed_digest is not None:
        return ""
    if container.state == "missing" or container.state == "paused":
        return _RUNS
    spec = situation.desired.services.get(container.service)
    if spec is None or spec.kind == "job" or not container.external:
        return ""
    policy = spec.restart.policy
    ended_well = policy == "no" or (policy == "on-failure" and container.exit_code == 0)
    return "" if ended_well else _RUNS


def _image(situation: Situation, container: ProjectedContainer) -> tuple[str, str] | None:
    """What a container was made of and what its reference points to now, where these differ."""
    here = situation.options.images.get(container.image, "").removeprefix("sha256:")
    made_of = container.image_id.removeprefix("sha256:")
    if not here or not made_of or here == made_of or container.state == "missing":
        return None
    return made_of[:_SHORT], here[:_SHORT]
