"""What all renderings for people share: the counts in words, the symbol and heading of each kind of change, who is behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from reconciler.plan.counts import thing_of
from reconciler.plan.model import AnyAction, FieldChange, Plan, Reason, ReplaceContainer, Verb, verb_of
from reconciler.plan.reasons import origin_of
from reconciler.plan.render.lines import operation

# Destructive ones first, in every rendering.
_COUNTED: tuple[tuple[str, str], ...] = (
    ("replace", "to replace"),
    ("delete", "to delete"),
    ("create", "to create"),
    ("adopt", "to take over"),
    ("update", "to update in place"),
    ("stop", "to stop"),
    ("restart", "to restart"),
    ("start", "to start"),
    ("run", "to run"),
    ("prepare", "to prepare"),
    ("unchanged", "unchanged"),
)

_GROUPS: tuple[tuple[Verb, str, str], ...] = (
    ("replace", "-/+", "Replaced"),
    ("delete", "-", "Deleted"),
    ("create", "+", "Created"),
    ("adopt", "&", "Taken over"),
    ("update", "~", "Updated in place"),
    ("stop", "x", "Stopped"),
    ("restart", "<>", "Restarted"),
    ("start", ">", "Started"),
    ("run", "!", "Run"),
    ("prepare", "*", "Prepared"),
    ("record", ".", "Only recorded"),
)

_ORIGINS = {"file": "you edited the file", "world": "the world changed", "person": "asked for", "fleet": ""}
_SAID_ALREADY = frozenset({"declared", "removed_from_file", "requested"})

# Words that say no more than that all is well.
_PLAIN = frozenset({"as declared", "completed", "external", "not needed"})


class Entry(NamedTuple):
    """Like things to which the same happens for the same reason."""

    symbol: str
    things: tuple[str, ...]
    text: str
    origin: str
    changes: tuple[FieldChange, ...]

    @property
    def title(self) -> str:
        """The addresses, those of one service shortened: `service/web/1, 2, 3`."""
        first, *others = self.things
        stem = first.rpartition("/")[0]
        return ", ".join([first, *(other.removeprefix(f"{stem}/") for other in others)])


def summary(plan: Plan) -> str:
    """The counts in words, those of replacements and deletions always, others where they are not zero."""
    counts = [(getattr(plan.counts, name), word, name in ("replace", "delete")) for name, word in _COUNTED]
    words = [f"{number} {word}" for number, word, always in counts if number or always]
    only_records = all(verb_of(action) == "record" for action in plan.actions)
    return ", ".join([*words, f"{plan.counts.record} to record"] if only_records else words)


def groups(plan: Plan) -> Iterator[tuple[str, list[Entry]]]:
    """Headings with what is under them; records only of services to which nothing else happens."""
    busy = {action.resource for action in plan.actions if verb_of(action) != "record"}
    for verb, symbol, heading in _GROUPS:
        actions = [one for one in plan.actions if verb_of(one) == verb]
        if verb == "record":
            actions = [one for one in actions if one.resource not in busy]
        if actions:
            yield heading, list(_entries(actions, symbol))


def _entries(actions: Iterable[AnyAction], symbol: str) -> Iterator[Entry]:
    """One entry for replicas of a service that share a reason; the order of the first ones."""
    found: dict[tuple[str, str, bytes], list[AnyAction]] = {}
    for action in actions:
        # Values that differ may be lists, so the reason is compared by what it looks like as a document.
        key = (action.resource, _text(action), msgspec.json.encode(action.reason))
        found.setdefault(key, []).append(action)
    for (_, told, _), alike in found.items():
        things = sorted((thing_of(action) for action in alike), key=_by_number)
        yield Entry(symbol, tuple(things), told, _origin(alike[0].reason), alike[0].reason.changes)


def _by_number(thing: str) -> tuple[int, str]:
    """Replica 10 comes after replica 2."""
    return len(thing), thing


def _text(action: AnyAction) -> str:
    told = action.reason.text
    if verb_of(action) == "prepare":
        return f"{operation(action)}: {told}"
    return f"{told}; the new one starts first" if isinstance(action, ReplaceContainer) and _overlaps(action) else told


def _overlaps(action: ReplaceContainer) -> bool:
    return action.order == "start-first"


def _origin(reason: Reason) -> str:
    return "" if reason.code in _SAID_ALREADY else _ORIGINS[origin_of(reason)]


def left_alone(plan: Plan) -> Iterator[tuple[str, str]]:
    """What stays as it is for a reason that a person should know."""
    return ((one.resource, one.why) for one in plan.unchanged if one.why not in _PLAIN)
