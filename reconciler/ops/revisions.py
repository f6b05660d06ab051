"""What differs between two revisions of the file, by meaning: defaults, units and the order of sets never show.

The documents of both revisions are in the log, so the answer is the same on every machine and needs no file. Values that
are named like secrets are masked; declared secrets never got into a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from reconciler.errors import NotFound
from reconciler.plan.fields import compare, values_changed
from reconciler.plan.masking import masked
from reconciler.plan.model import FieldChange
from reconciler.projections.rows import Row, Rows
from reconciler.spec.desired import Desired, ServiceSpec, desired_from_document, to_document

# Address of each kind of thing that a file declares; what is not listed is the fleet's own settings.
_KINDS = {
    "services": "service",
    "networks": "network",
    "volumes": "volume",
    "secrets": "secret",
    "handlers": "handler",
    "specialists": "specialist",
    "missions": "mission",
}
# Where the file lay and what the loader was told belongs to the revision, not to what is wanted.
_PASSED_OVER = frozenset({"version", "project"})


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs about one resource; for the fleet's own settings `resource` is empty."""

    resource: str
    kind: Literal["added", "removed", "changed"]
    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two revisions and everything that differs, in the order of the file's sections and then by name."""

    old: int
    new: int
    differences: tuple[Difference, ...]


def compare_revisions(rows: Rows, old: int | None, new: int | None) -> Comparison:
    """Compare two accepted revisions; read-only.

    Args:
        old: None for the one that was accepted before `new`.
        new: None for the one that holds now.

    Raises:
        NotFound: there is no such revision, or it was rejected and stands for nothing.
    """
    known = {row["revision"]: row for _, row in rows.scan("revisions")}
    newer = _head(rows) if new is None else new
    after = _accepted(known, newer)
    older = _before(known, newer) if old is None else old
    before = _accepted(known, older)
    return Comparison(older, newer, differences(_desired(before), _desired(after)))


def differences(old: Desired, new: Desired) -> tuple[Difference, ...]:
    """Everything that differs between two desired states."""
    found: list[Difference] = []
    own: list[FieldChange] = []
    for field in Desired.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before == after or field in _PASSED_OVER:
            continue
        if field in _KINDS:
            found += _resources(_KINDS[field], before, after)
        else:
            own += [masked(change) for change in values_changed(field, before, after)]
    if own:
        found.append(Difference("", "changed", tuple(own)))
    return tuple(found)


def _resources(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        resource = f"{kind}/{name}"
        if name not in old:
            yield Difference(resource, "added", tuple(_declared(new[name], added=True)))
        elif name not in new:
            yield Difference(resource, "removed", tuple(_declared(old[name], added=False)))
        elif changes := tuple(_changes(old[name], new[name])):
            yield Difference(resource, "changed", changes)


def _changes(old: Any, new: Any) -> Iterator[FieldChange]:
    if isinstance(old, ServiceSpec) and isinstance(new, ServiceSpec):
        yield from (one.change for one in compare(old, new))
        return
    for field in type(new).__struct_fields__:
        for change in values_changed(field, getattr(old, field), getattr(new, field)):
            yield masked(change)


def _declared(value: Any, *, added: bool) -> Iterator[FieldChange]:
    """What a resource says beside its defaults, one leaf after the other."""
    for path, leaf in _leaves("", to_document(value)):
        if path != "name":
            yield masked(FieldChange(path, None, leaf) if added else FieldChange(path, leaf, None))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from _leaves(f"{path}.{key}" if path else key, value[key])
    else:
        yield path, value


def _head(rows: Rows) -> int:
    # A fleet that was renamed has a row for each name; the one written last holds.
    fleets = sorted((row for _, row in rows.scan("fleets")), key=lambda row: int(row["last_event_sequence"]))
    if fleets and fleets[-1]["revision"]:
        return int(fleets[-1]["revision"])
    raise NotFound("no revision has been accepted yet", hint="fleet apply")


def _before(known: Mapping[int, Row], revision: int) -> int:
    earlier = [number for number, row in known.items() if number < revision and row["document"] is not None]
    if not earlier:
        raise NotFound(f"revision {revision} is the first that was accepted: there is none to compare it with")
    return max(earlier)


def _accepted(known: Mapping[int, Row], revision: int) -> Row:
    row = known.get(revision)
    if row is None:
        raise NotFound(f"there is no revision {revision}", hint="fleet history lists them")
    if row["document"] is None:
        raise NotFound(f"revision {revision} was rejected: it has no meaning to compare", hint="fleet history")
    return row


def _desired(row: Row) -> Desired:
    try:
        return desired_from_document(row["document"])
    except msgspec.ValidationError as error:
        raise NotFound(
            f"revision {row['revision']} was recorded by another release and cannot be read: {error}"
        ) from None
