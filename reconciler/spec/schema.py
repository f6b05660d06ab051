"""The published JSON Schema of fleet.yaml, made from the models.

`python -m reconciler.spec.schema` writes `schemas/fleet.schema.json`; with `--check` it only says whether the file is what
the models give now.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "schemas" / "fleet.schema.json"


def fleet_schema() -> dict[str, Any]:
    """The JSON Schema of the file, draft 2020-12, without titles that only repeat names."""
    from pydantic.json_schema import GenerateJsonSchema

    from reconciler.spec.models.fleet import Fleet

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    schema = Fleet.model_json_schema(schema_generator=Untitled)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": FILE.name,
        **_without_nulls(schema),
        "title": "fleet.yaml",
    }


def _without_nulls(schema: Any) -> Any:
    """The schema without `default: null`, which says nothing: a key that is null is as good as not there."""
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if key != "default" or value is not None}
        return {key: _without_nulls(value) for key, value in kept.items()}
    return [_without_nulls(item) for item in schema] if isinstance(schema, list) else schema


def render() -> str:
    """The text of the published file."""
    return json.dumps(fleet_schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the schema, or check it with `--check`; 1 when it is stale.

    Args:
        arguments: `--check`, and a path where it is not the repository's.
    """
    path = next((Path(word) for word in arguments if not word.startswith("-")), FILE)
    fresh = path.exists() and path.read_text(encoding="utf-8") == render()
    if "--check" in arguments:
        print(f"{path.name} is {'up to date' if fresh else 'not what the models give now'}")
        return 0 if fresh else 1
    if not fresh:
        path.write_text(render(), encoding="utf-8")
    print(f"{path.name} {'was up to date' if fresh else 'written'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
