"""Write docs/reference/ from the published schemas, or check with `--check` that it is what they say."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconciler.events.registry import TYPES

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
OPENAPI = ROOT / "schemas" / "openapi.json"


def main(arguments: list[str]) -> int:
    """1 when a file is stale and was only to be checked."""
    pages = {"fleet-file.md": fleet_file(), "events.md": events()}
    if OPENAPI.exists():
        pages["http.md"] = endpoints()
    stale = []
    for name, lines in pages.items():
        text, file = "\n".join(lines) + "\n", FOLDER / name
        if "--check" not in arguments:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(f"docs/reference: {', '.join(stale)} not what the schemas say now: make docs", file=sys.stderr)
    return 1 if stale else 0


def fleet_file() -> Iterator[str]:
    """Every section and key of the fleet file."""
    schema = json.loads((ROOT / "schemas" / "fleet.schema.json").read_text())
    yield "# Reference: fleet.yaml"
    yield ""
    yield "Written from `schemas/fleet.schema.json` by `make docs`. [fleet-yaml.md](../fleet-yaml.md) explains the sections."
    yield from _section("The file", schema)
    for name, shape in sorted(schema["$defs"].items()):
        if shape.get("properties"):
            yield from _section(name, shape)


def _section(title: str, shape: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    if shape.get("description"):
        yield shape["description"]
        yield ""
    yield from _fields(shape)


def _fields(shape: dict[str, Any]) -> Iterator[str]:
    required = set(shape.get("required", ()))
    yield "| key | value | |"
    yield "|---|---|---|"
    for key, value in shape["properties"].items():
        mark = " (required)" if key in required else ""
        yield f"| `{key}`{mark} | {_cell(_kind(value))} | {_cell(value.get('description', ''))} |"


def events() -> Iterator[str]:
    """Every event type with its fields."""
    yield "# Reference: events"
    yield ""
    yield "Written from `schemas/events/` by `make docs`; `fleet events explain TYPE` shows one with an example. Fields without"
    yield "*(required)* may be absent. [event-log.md](../event-log.md) explains the envelope that they travel in."
    for name, known in sorted(TYPES.items()):
        schema = json.loads((ROOT / "schemas" / "events" / f"{name}.v{known.version}.json").read_text())
        yield from _section(name, _inlined(schema, schema.get("$defs", {})))


def _inlined(value: Any, shapes: dict[str, Any]) -> Any:
    """The same with every named shape in the place of its name: an event's shapes are its own."""
    if isinstance(value, list):
        return [_inlined(one, shapes) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return {**_inlined(shapes[value["$ref"].rpartition("/")[2]], shapes), "named": True}
    return {key: _inlined(one, shapes) for key, one in value.items() if key != "$defs"}


def endpoints() -> Iterator[str]:
    """Every endpoint of the HTTP interface."""
    schema = json.loads(OPENAPI.read_text())
    yield "# Reference: HTTP"
    yield ""
    yield "Written from `schemas/openapi.json` by `make docs`; `fleet serve` opens it."
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            by_tag.setdefault((told.get("tags") or ["more"])[0], []).append((path, method.upper(), told))
    for tag, calls in sorted(by_tag.items()):
        yield ""
        yield f"## {tag}"
        yield ""
        yield "| call | | answers |"
        yield "|---|---|---|"
        for path, method, told in calls:
            answers = ", ".join(sorted(told["responses"]))
            yield f"| `{method} {path}` | {_cell(told.get('summary', ''))} | {answers} |"


def _kind(value: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return " · ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        kinds = [_kind(one) for one in value["anyOf"] if one.get("type") != "null" and not _is_variable(one)]
        return " or ".join(dict.fromkeys(kinds)) or "nothing"
    match value.get("type"):
        case "array":
            return f"a list of {_kind(value['items'])}" if value.get("items") else "a list"
        case "object" if value.get("named"):
            return "`{" + ", ".join(value["properties"]) + "}`"
        case "object":
            inner = value.get("additionalProperties")
            return f"a mapping to {_kind(inner)}" if isinstance(inner, dict) and inner else "a mapping"
        case "string" if value.get("format"):
            return f"text ({value['format']})"
        case "integer" | "number":
            return _range(value)
        case str(kind):
            return {"string": "text", "boolean": "true or false"}.get(kind, kind)
        case _:
            return "anything"


def _is_variable(value: dict[str, Any]) -> bool:
    """Nearly every value may be a variable instead; saying it each time says nothing."""
    return "declared variable" in value.get("description", "")


def _range(value: dict[str, Any]) -> str:
    kind = "whole number" if value["type"] == "integer" else "number"
    least, most = value.get("minimum", value.get("exclusiveMinimum")), value.get("maximum")
    bounds = [f"from {least}" if least is not None else "", f"to {most}" if most is not None else ""]
    return " ".join([f"a {kind}", *filter(None, bounds)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
