"""A published schema may only grow: each way to narrow one is found and named, each way to widen one is let through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.events.compatibility import incompatibilities
from reconciler.events.registry import TYPES
from reconciler.events.schemas import schema_of

NULL = {"type": "null"}
TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def of(required: tuple[str, ...] = (), more: Any = False, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": more}


GROWS = {
    "nothing changed": (of(a=TEXT), of(a=TEXT)),
    "an optional field more": (of(a=TEXT), of(a=TEXT, b=WHOLE)),
    "a required field made optional": (of(("a",), a=TEXT), of(a=TEXT)),
    "an enum with a value more": (of(a={"enum": ["x"]}), of(a={"enum": ["x", "y"]})),
    "an enum opened": (of(a={"enum": ["x"], "type": "string"}), of(a=TEXT)),
    "a constant joined by others": (of(a={"const": "x"}), of(a={"enum": ["x", "y"]})),
    "whole numbers to all numbers": (of(a=WHOLE), of(a={"type": "number"})),
    "a type to anything": (of(a=WHOLE), of(a={})),
    "null allowed": (of(a=TEXT), of(a={"anyOf": [TEXT, NULL]})),
    "bounds lowered and raised": (
        of(a={"type": "integer", "minimum": 1, "maximum": 9}),
        of(a={"type": "integer", "exclusiveMinimum": 0, "maximum": 10}),
    ),
    "bounds taken away": (of(a={"type": "string", "minLength": 1, "maxLength": 3}), of(a=TEXT)),
    "other fields allowed": (of(a=TEXT), of(more=True, a=TEXT)),
    "another title": ({**of(a=TEXT), "title": "A"}, {**of(a=TEXT), "title": "B", "description": "b"}),
    "a part moved behind a reference": (
        of(a=of(b=TEXT)),
        {**of(a={"$ref": "#/$defs/Part"}), "$defs": {"Part": of(b=TEXT)}},
    ),
}

NARROWS = {
    "a field removed": (of(a=TEXT, b=TEXT), of(a=TEXT), ["b was removed"]),
    "a required field more": (of(a=TEXT), of(("b",), a=TEXT, b=TEXT), ["b was added as a required field"]),
    "an optional field made required": (of(a=TEXT), of(("a",), a=TEXT), ["a became required"]),
    "an enum value less": (of(a={"enum": ["x", "y"]}), of(a={"enum": ["x"]}), ["a no longer takes 'y'"]),
    "text closed to an enum": (
        of(a=TEXT),
        of(a={"enum": ["x", "y"], "type": "string"}),
        ["a takes only 'x', 'y' now"],
    ),
    "another type": (of(a=TEXT), of(a=WHOLE), ["a was string and is only integer"]),
    "numbers to whole numbers": (of(a={"type": "number"}), of(a=WHOLE), ["a was number and is only integer"]),
    "anything to a type": (of(a={}), of(a=TEXT), ["a was anything and is only string"]),
    "null no longer allowed": (of(a={"anyOf": [TEXT, NULL]}), of(a=TEXT), ["a was null and is only string"]),
    "a minimum": (of(a=WHOLE), of(a={"type": "integer", "minimum": 0}), ["a has a higher minimum"]),
    "a minimum that excludes itself": (
        of(a={"type": "integer", "minimum": 0}),
        of(a={"type": "integer", "exclusiveMinimum": 0}),
        ["a has a higher minimum"],
    ),
    "a maximum that excludes itself": (
        of(a={"type": "integer", "maximum": 9}),
        of(a={"type": "integer", "exclusiveMaximum": 9}),
        ["a has a lower maximum"],
    ),
    "a longer text needed": (of(a=TEXT), of(a={"type": "string", "minLength": 1}), ["a must be longer"]),
    "a shorter list needed": (
        of(a={"type": "array", "maxItems": 5}),
        of(a={"type": "array", "maxItems": 4}),
        ["a must be shorter"],
    ),
    "a pattern": (of(a=TEXT), of(a={"type": "string", "pattern": "^x"}), ["a must be of pattern ^x now"]),
    "a format": (of(a=TEXT), of(a={"type": "string", "format": "date"}), ["a must be of format date now"]),
    "items of a list": (
        of(a={"type": "array", "items": TEXT}),
        of(a={"type": "array", "items": WHOLE}),
        ["a[] was string and is only integer"],
    ),
    "a field inside": (
        of(a=of(b=TEXT)),
        {**of(a={"$ref": "#/$defs/Part"}), "$defs": {"Part": of(("b",), b=TEXT)}},
        ["a.b became required"],
    ),
    "a required field inside more": (of(a=of()), of(a=of(("b",), b=TEXT)), ["a.b was added as a required field"]),
    "one member of a union": (
        of(a={"anyOf": [of(b=TEXT), NULL]}),
        of(a={"anyOf": [NULL, of(b=WHOLE)]}),
        ["a.b was string and is only integer"],
    ),
    "other fields refused": (of(more=True, a=TEXT), of(a=TEXT), ["the event no longer takes other fields"]),
    "values of a mapping": (
        of(a=of(more=TEXT)),
        of(a=of(more=WHOLE)),
        ["a.* was string and is only integer"],
    ),
    "values of an open mapping": (
        of(a=of(more=True)),
        of(a=of(more=WHOLE)),
        ["a.* was anything and is only integer"],
    ),
}


@pytest.mark.parametrize(("old", "new"), GROWS.values(), ids=GROWS)
def test_growing_is_compatible(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert incompatibilities(old, new) == []


@pytest.mark.parametrize(("old", "new", "problems"), NARROWS.values(), ids=NARROWS)
def test_narrowing_is_not(old: dict[str, Any], new: dict[str, Any], problems: list[str]) -> None:
    assert incompatibilities(old, new) == problems


@pytest.mark.parametrize("event_type", TYPES)
def test_every_schema_is_compatible_with_itself(event_type: str) -> None:
    schema = schema_of(event_type)
    assert incompatibilities(schema, schema) == []


@given(st.sampled_from(sorted(TYPES)), st.data())
def test_taking_any_field_away_is_found(event_type: str, data: st.DataObject) -> None:
    schema = schema_of(event_type)
    gone = data.draw(st.sampled_from(sorted(schema["properties"])))
    rest = {name: inner for name, inner in schema["properties"].items() if name != gone}
    required = [name for name in schema.get("required", ()) if name != gone]
    assert f"{gone} was removed" in incompatibilities(schema, {**schema, "properties": rest, "required": required})
