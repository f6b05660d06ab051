"""Scenarios: a fleet that was applied, what happened since, the file now, and the plan that must come of it.

One scenario a file, in tests/scenarios/plan. Its parts, all but `plan` optional:

    was:      the fleet that was applied (a short document, see tests/support/fleets.py); the log follows from it
    then:     events since, each `type: data`; what the log knows of a container or its service is filled in
    edit:     what was edited in the file, merged into `was`; null takes a key away
    now:      the whole file now, in place of `edit`
    options:  PlanOptions; images are those of the fleets unless given
    error:    the sentence and hint of the NotFound that is raised, in place of a plan
    plan:     the whole plan, one line an item
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from reconciler.errors import NotFound
from reconciler.plan.diff import diff
from reconciler.plan.model import Plan, PlanOptions
from reconciler.plan.render.lines import lines
from tests.support.carried_out import Log, image_id, images_of
from tests.support.fleets import fleet, merged

FOLDER = Path(__file__).parents[2] / "scenarios" / "plan"


class Scenario:
    """One file, read; `plan` computes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        was = self.document.get("was", {})
        self.was = fleet(was)
        self.now = fleet(self.document["now"] if "now" in self.document else merged(was, self.document.get("edit", {})))
        self.log = self._log()
        self.options = self._options()

    @property
    def expected(self) -> str:
        """The plan as the file has it."""
        return str(self.document.get("plan", "")).strip()

    def _log(self) -> Log:
        log = Log()
        if "was" in self.document:
            images = images_of([self.was])
            log.carry_out(diff(self.was, log.projected(), PlanOptions(images=images)), self.was)
        for happened in self.document.get("then", ()):
            for event_type, data in happened.items():
                log.record(event_type, _filled(log, event_type, data))
        return log

    def _options(self) -> PlanOptions:
        written = dict(self.document.get("options", {}))
        written.setdefault("images", images_of([self.was, self.now]))
        written.setdefault("now_ms", self.log.now_ms)
        return msgspec.convert(written, PlanOptions)

    def plan(self) -> Plan:
        """The plan for the file as it is now."""
        return diff(self.now, self.log.projected(), self.options)

    def said(self) -> str:
        """The plan in lines, or the error in the form that `error` has."""
        try:
            return lines(self.plan())
        except NotFound as error:
            return f"{error.what} ({error.hint})"

    def plan_after(self) -> Plan | None:
        """The plan once the first one has been carried out; what was asked for once is not asked for again.

        None where nothing is left of what the options name.
        """
        self.log.carry_out(self.plan(), self.now, self.options.images)
        options = msgspec.structs.replace(self.options, restart=(), adopt=())
        try:
            return diff(self.now, self.log.projected(), options)
        except NotFound:
            return None


def _filled(log: Log, event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    """An event's data completed by what the log knows: the container it is about, or how one of its service is made."""
    if event_type.startswith("specialist_process_"):
        return _filled_process(log, event_type, data)
    if not event_type.startswith(("container_", "job_")):
        return data
    data = {"replica": 1, **data}
    row = log.rows.get("containers", f"{data['service']}/{data['replica']}")
    if row is not None:
        data = {"container_id": row["container_id"], **data}
    service = log.rows.get("services", data["service"])
    if service is not None and event_type in ("container_created", "container_found", "job_completed"):
        data = {"digest": service["digest"], **data}
    if event_type in ("container_created", "container_found"):
        image = service["definition"]["image"] if service is not None else ""
        made = {"name": f"shop-{data['service']}-{data['replica']}", "image": image, "image_id": image_id(image)}
        data = {**made, "intent_id": "evt_1", **data}
    return data


def _filled_process(log: Log, event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    data = {"replica": 1, **data}
    if event_type == "specialist_process_found":
        pool = log.rows.get("pools", data["pool"])
        return {"process_id": "evt_found", "pid": 1, "digest": pool["digest"] if pool is not None else "", **data}
    for key, row in log.rows.scan("processes"):
        if (row["pool"], row["replica"]) == (data["pool"], data["replica"]):
            data = {"process_id": key, **data}
    return data


def scenarios() -> list[Path]:
    """All scenario files."""
    return sorted(FOLDER.rglob("*.yaml"))


__all__ = ["FOLDER", "Scenario", "scenarios"]
