"""The published JSON Schema of a plan, made from the model.

`python -m reconciler.plan.schema` writes `schemas/plan.v1.json`; with `--check` it only says what is not as it should be.
A published schema never narrows: whoever reads plans today reads those of later releases, too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from reconciler.errors import FleetError
from reconciler.events.compatibility import incompatibilities
from reconciler.plan.model import PLAN_VERSION, Plan

FILE = Path(__file__).parents[2] / "schemas" / f"plan.v{PLAN_VERSION}.json"


class PlanSchemaIncompatible(FleetError):
    """The model refuses what its published schema takes."""

    code = "schema_incompatible"


def schema() -> dict[str, Any]:
    """The JSON Schema of a plan's document."""
    (reference,), components = msgspec.json.schema_components([Plan], ref_template="#/$defs/{name}")
    name = reference["$ref"].rpartition("/")[2]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": FILE.name,
        **_tidy(components.pop(name)),
        "title": "plan",
        "$defs": _tidy(dict(sorted(components.items()))),
    }


def _tidy(part: Any) -> Any:
    """Descriptions without the indentation that docstrings have in the source."""
    if isinstance(part, list):
        return [_tidy(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: cleandoc(one) if key == "description" and isinstance(one, str) else _tidy(one) for key, one in part.items()
    }


def render() -> str:
    """The text of the schema's file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def problems(path: Path = FILE) -> list[str]:
    """What is wrong with the published schema, a sentence each: missing, narrowed, or not what the model gives."""
    if not path.exists():
        return [f"{path.name} is missing"]
    text = path.read_text(encoding="utf-8")
    found = [f"{path.name}: {problem}" for problem in incompatibilities(json.loads(text), schema())]
    return found if text == render() else [*found, f"{path.name} is not what the model gives now"]


def write(path: Path = FILE) -> None:
    """Write the schema.

    Raises:
        PlanSchemaIncompatible: it would narrow. Nothing is written then.
    """
    narrowed = incompatibilities(json.loads(path.read_text(encoding="utf-8")), schema()) if path.exists() else []
    if narrowed:
        raise PlanSchemaIncompatible(
            "; ".join(narrowed), hint="raise PLAN_VERSION; the old schema stays beside the new"
        )
    path.write_text(render(), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Write the schema, or check it with `--check`; 1 when something is wrong.

    Args:
        arguments: `--check`, and a file where it is not the repository's.
    """
    path = next((Path(word) for word in arguments if not word.startswith("-")), FILE)
    if "--check" in arguments:
        found = problems(path)
        for problem in found:
            print(problem, file=sys.stderr)
        return 1 if found else 0
    try:
        write(path)
    except FleetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
