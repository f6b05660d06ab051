"""The published JSON Schemas of all event types, made from the models.

`python -m reconciler.events.schemas` writes `schemas/events/<type>.v<N>.json`; with `--check` it only says what is not as
it should be. A file that was published is never overwritten by one that refuses what the old one took: such a change
needs a new version of the type and an upcaster from the old one, and the old file stays beside the new one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from reconciler.errors import FleetError
from reconciler.events.compatibility import incompatibilities
from reconciler.events.registry import TYPES, FieldExplanation, entry, model_of
from reconciler.events.upcasters import UPCASTERS

FOLDER = Path(__file__).parents[2] / "schemas" / "events"

_FILE = re.compile(r"(?P<type>[a-z_]+)\.v(?P<version>[1-9]\d*)\.json")


class SchemaIncompatible(FleetError):
    """A model refuses what its published schema takes."""

    code = "schema_incompatible"


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(event_type: str) -> dict[str, Any]:
    """The JSON Schema of a type's current version.

    Raises:
        UnknownEventType: when the type is not registered.
    """
    found = entry(event_type)
    schema = model_of(event_type).model_json_schema(schema_generator=_Untitled)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": file_name(event_type, found.version),
        "x-stream-type": found.stream_type,
        **schema,
        "title": event_type,
    }


def file_name(event_type: str, version: int) -> str:
    """The name of a published schema's file."""
    return f"{event_type}.v{version}.json"


def fields_of(schema: dict[str, Any]) -> Iterator[FieldExplanation]:
    """The fields of an event in words, in the order of its model."""
    required = schema.get("required", ())
    for name, inner in schema["properties"].items():
        words = _in_words(inner, schema.get("$defs", {}))
        yield FieldExplanation(name, words, name in required, inner.get("default"))


def _in_words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _in_words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        members = [_in_words(one, definitions) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(members))
    if "enum" in schema:
        return " · ".join(map(str, schema["enum"]))
    if "const" in schema:
        return repr(schema["const"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_in_words(schema.get('items', {}), definitions)}"
    if kind == "object" and "properties" in schema:
        return "{" + ", ".join(schema["properties"]) + "}"
    unit = schema.get("description")
    return f"{kind} ({unit})" if unit and kind != "object" else kind


def render(schema: dict[str, Any]) -> str:
    """The text of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every type's current schema; the files that changed.

    Raises:
        SchemaIncompatible: a published schema would narrow. Nothing is written then.
    """
    fresh = {folder / file_name(name, found.version): schema_of(name) for name, found in TYPES.items()}
    refused = [problem for path, schema in fresh.items() if path.exists() for problem in _narrowed(path, schema)]
    if refused:
        raise SchemaIncompatible(
            "; ".join(refused), hint="raise the type's version and add an upcaster from the old one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for path, schema in fresh.items():
        text = render(schema)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def check(folder: Path = FOLDER) -> list[str]:
    """What is wrong with the published schemas, a sentence each: stale, missing, narrowed or without a way forward."""
    problems = []
    for name, found in TYPES.items():
        path = folder / file_name(name, found.version)
        schema = schema_of(name)
        if not path.exists():
            problems.append(f"{path.name} is missing")
            continue
        problems += _narrowed(path, schema)
        if path.read_text(encoding="utf-8") != render(schema):
            problems.append(f"{path.name} is not what the model gives now")
    return problems + [problem for path in sorted(folder.glob("*.json")) for problem in _orphaned(path)]


def _narrowed(path: Path, schema: dict[str, Any]) -> list[str]:
    published = json.loads(path.read_text(encoding="utf-8"))
    return [f"{path.name}: {problem}" for problem in incompatibilities(published, schema)]


def _orphaned(path: Path) -> Iterator[str]:
    """A published version that this release can no longer read."""
    match = _FILE.fullmatch(path.name)
    if match is None or match["type"] not in TYPES:
        yield f"{path.name} belongs to no event type; a published type is never taken away"
        return
    version, current = int(match["version"]), TYPES[match["type"]].version
    if version > current:
        yield f"{path.name} is newer than the model, which is at version {current}"
    elif any((match["type"], step) not in UPCASTERS for step in range(version, current)):
        yield f"{path.name} has no upcasters up to version {current}"


def main(arguments: Sequence[str]) -> int:
    """Write the schemas, or check them with `--check`; 1 when something is wrong.

    Args:
        arguments: `--check`, and a folder where it is not the repository's.
    """
    folder = next((Path(word) for word in arguments if not word.startswith("-")), FOLDER)
    if "--check" in arguments:
        problems = check(folder)
        print("\n".join(problems) or f"{len(TYPES)} event schemas are up to date")
        return 1 if problems else 0
    try:
        changed = write(folder)
    except SchemaIncompatible as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return 1
    print(f"{len(changed)} of {len(TYPES)} event schemas written to {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
