"""Whether a published schema only grew: everything that was valid under the old one is valid under the new one.

A pure comparison of two JSON Schemas of the kind that the event models give: objects, arrays, enums, bounds, unions and
references. A log is read for ever, so a field that was published is never removed or narrowed; a change that needs that
takes a new version and an upcaster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_LENGTHS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What of `old` is refused by `new`, a sentence each in the order of the fields; empty when it only grew."""
    return list(_Comparison(old, new).compare(old, new, ""))


class _Comparison:
    """Two documents, each with the definitions that its references point into."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old_definitions = old.get("$defs", {})
        self._new_definitions = new.get("$defs", {})

    def compare(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        """Differences at one place of the document, and below it."""
        accepted = _alternatives(new, self._new_definitions)
        for one in _alternatives(old, self._old_definitions):
            attempts = [list(self._compare_one(one, other, path)) for other in accepted]
            if all(attempts):
                # The nearest alternative tells most: a changed field says more than "no longer an object".
                yield from min(attempts, key=lambda found: (_other_type(path, found), len(found)))

    def _compare_one(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        place = path or "the event"
        old_type, new_type = old.get("type"), new.get("type")
        if new_type is not None and old_type != new_type and (old_type, new_type) != ("integer", "number"):
            yield f"{place} was {old_type or 'anything'} and is only {new_type}"
            return
        yield from _values(old, new, place)
        yield from _bounds(old, new, place)
        if old_type == "object":
            yield from self._fields(old, new, path)
        if old_type == "array" and "items" in new:
            yield from self.compare(old.get("items", {}), new["items"], f"{path}[]")

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, schema in before.items():
            place = f"{path}.{name}" if path else name
            if name not in after:
                yield f"{place} was removed"
            else:
                yield from self.compare(schema, after[name], place)
        needed = set(new.get("required", ())) - set(old.get("required", ()))
        for name in sorted(needed):
            place = f"{path}.{name}" if path else name
            yield f"{place} became required" if name in before else f"{place} was added as a required field"
        others, allowed = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if allowed is False and others is not False:
            yield f"{path or 'the event'} no longer takes other fields"
        elif isinstance(allowed, dict) and others is not False:
            yield from self.compare(others if isinstance(others, dict) else {}, allowed, f"{path}.*")


def _alternatives(schema: Schema, definitions: Schema) -> list[Schema]:
    """The union's members with references followed; a schema that is none is its own only member."""
    if "$ref" in schema:
        return _alternatives(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return [one for member in schema[word] for one in _alternatives(member, definitions)]
    return [schema]


def _values(old: Schema, new: Schema, place: str) -> Iterator[str]:
    """Enums and constants, formats and patterns."""
    allowed = _enumerated(new)
    if allowed is not None:
        before = _enumerated(old)
        if before is None:
            yield f"{place} takes only {', '.join(map(repr, allowed))} now"
        else:
            yield from (f"{place} no longer takes {value!r}" for value in before if value not in allowed)
    for word in ("pattern", "format"):
        if word in new and new[word] != old.get(word):
            yield f"{place} must be of {word} {new[word]} now"


def _enumerated(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _bounds(old: Schema, new: Schema, place: str) -> Iterator[str]:
    lowest, least = _lower(old), _lower(new)
    if least is not None and (lowest is None or least > lowest):
        yield f"{place} has a higher minimum"
    highest, most = _upper(old), _upper(new)
    if most is not None and (highest is None or most < highest):
        yield f"{place} has a lower maximum"
    for shortest, longest in _LENGTHS:
        if new.get(shortest, 0) > old.get(shortest, 0):
            yield f"{place} must be longer"
        if longest in new and new[longest] < old.get(longest, float("inf")):
            yield f"{place} must be shorter"


def _lower(schema: Schema) -> tuple[float, bool] | None:
    """The bound, and whether it is excluded itself: greater means stricter."""
    bounds = [(float(schema[word]), word[0] == "e") for word in ("minimum", "exclusiveMinimum") if word in schema]
    return max(bounds, default=None)


def _upper(schema: Schema) -> tuple[float, bool] | None:
    """The bound, and whether it is included: less means stricter."""
    bounds = [(float(schema[word]), word[0] == "m") for word in ("maximum", "exclusiveMaximum") if word in schema]
    return min(bounds, default=None)


def _other_type(path: str, found: list[str]) -> bool:
    return found[0].startswith(f"{path or 'the event'} was ") and " and is only " in found[0]
