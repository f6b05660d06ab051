"""Redaction: what of the log may leave the machine in a bug report.

By a list of what is kept, not of what is taken out: of a field that is not on it only the kind and the length are told, so
that a new event type says too little at first and never too much. Sentences are kept, with everything hidden in them that
anywhere in the log was the value of a variable, a command or a file's content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.apply.mask import Mask
from reconciler.events.document import event_document
from reconciler.events.envelope import Event
from reconciler.plan.model import Plan, verb_of
from reconciler.spec.masked import masked_text

_KEPT = frozenset(
    [
        "action",
        "already",
        "apply_id",
        "attempt",
        "branch",
        "checkpoint_id",
        "code",
        "column",
        "commit",
        "container_id",
        "digest",
        "engine_name",
        "event_type",
        "from_revision",
        "from_resource",
        "handler",
        "health",
        "how",
        "id",
        "image",
        "image_id",
        "intent_id",
        "kind",
        "line",
        "lock_id",
        "message_type",
        "mission_id",
        "name",
        "network",
        "plan_digest",
        "previous",
        "previous_status",
        "new_status",
        "priority",
        "purpose",
        "release_reason",
        "resource",
        "revision",
        "service",
        "snapshot_id",
        "sortie_id",
        "state",
        "status",
        "stream_id",
        "stream_type",
        "to_resource",
        "to_revision",
        "trigger",
        "verdict",
        "volume",
    ]
)
_SENTENCES = frozenset(["because", "error", "left_off", "reason", "text", "why", "message"])
_OPENED = frozenset(["reason", "problems", "changes", "files"])
# Inside these, the place in a document and not a file of the machine.
_PLACES = frozenset(["field", "path"])
# What documents hold that a sentence may quote.
_VALUES = frozenset(["environment", "command", "entrypoint", "content", "args", "prompt", "run", "labels"])
_SHORTEST_VALUE = 6


class Redactor:
    """Takes out what must not leave, the same way everywhere in one report."""

    def __init__(self, secrets: Iterable[bytes | str] = ()) -> None:
        """Prepare a redactor.

        Args:
            secrets: values that must not be found anywhere.
        """
        self._mask = Mask()
        self._names: set[str] = set()
        self._actors: dict[str, str] = {}
        for value in secrets:
            self._mask.learn(value)

    def keep(self, names: Iterable[str]) -> None:
        """Names that stay readable although a variable may hold them, such as that of the service which it points to."""
        self._names.update(names)

    def learn(self, document: Any) -> None:
        """Hide from now on what this document holds where values of variables, commands and contents stand."""
        for value in _values(document, inside=False):
            if len(value) >= _SHORTEST_VALUE and value not in self._names:
                self._mask.learn(value)

    def text(self, text: str) -> str:
        """A sentence with everything hidden that is known, or that looks like a password."""
        return self.hide(masked_text(text))

    def hide(self, text: str) -> str:
        """Any text with everything hidden that is known; JSON stays JSON."""
        return self._mask(text)

    def event(self, event: Event) -> dict[str, Any]:
        """An event for the report; who did it is a number, the same for the same person."""
        document = event_document(event)
        metadata = document["metadata"]
        actor = metadata.get("actor", "")
        document["data"] = self._fields(event.data)
        document["metadata"] = {
            "actor": self._actors.setdefault(actor, f"actor-{len(self._actors) + 1}"),
            "source": metadata.get("source", ""),
            "software_version": metadata.get("software_version", ""),
        }
        return document

    def plan(self, plan: Plan) -> dict[str, Any]:
        """A plan for the report: what would be done and why, without any value."""
        return {
            "actions": [
                {
                    "id": action.id,
                    "verb": verb_of(action),
                    "reason": action.reason.code,
                    "text": self.text(action.reason.text),
                    "fields": [change.path for change in action.reason.changes],
                }
                for action in plan.actions
            ],
            "unchanged": [{"resource": one.resource, "why": self.text(one.why)} for one in plan.unchanged],
            "warnings": [{"resource": one.resource, "text": self.text(one.text)} for one in plan.warnings],
        }

    def _fields(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._field(name, value) for name, value in data.items()}

    def _field(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            if name in _SENTENCES:
                return self.text(value)
            kept = name in _KEPT or name in _PLACES or name.endswith("_at")
            return self.text(value) if kept else f"(text, {len(value)} characters)"
        if isinstance(value, dict):
            return self._fields(value) if name in _OPENED else f"(object, {len(value)} fields)"
        if name in _OPENED:
            return [
                self._fields(_without_values(one)) if isinstance(one, dict) else self._field("", one) for one in value
            ]
        return f"(list, {len(value)} entries)"


def _without_values(change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in change.items() if name not in ("old", "new")}


def _values(document: Any, *, inside: bool) -> Iterator[str]:
    """Every text that stands where a value of a variable, a command or a content may stand."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _values(value, inside=inside or name in _VALUES)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _values(value, inside=inside)
    elif isinstance(document, str) and inside:
        yield document
