"""The interface's description as OpenAPI, published as `schemas/openapi.json`.

`python -m reconciler.api.openapi` writes it; with `--check` it only says whether it is what the endpoints give. What
FastAPI does not know of is added here: that a token is needed, the headers that every change understands, and links from
what was made to what can be done with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from reconciler.api.documented import PROBLEM, REFUSALS, refusal

FILE = Path(__file__).parents[2] / "schemas" / "openapi.json"

_OPEN = ("/health",)
_BEARER = {"type": "http", "scheme": "bearer", "description": "`fleet tokens create` makes one."}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "The same request under the same key is done once, and gets the same answer for a day.",
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The version (`ETag`) that must still hold; the answer is 412 where it does not.",
}


def described(app: FastAPI) -> dict[str, Any]:
    """The description of an application; made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        found["components"]["securitySchemes"] = {"token": _BEARER}
        found["components"]["schemas"]["Problem"] = PROBLEM
        found["security"] = [{"token": []}]
        for path, method, operation in _operations(found):
            if path.startswith(_OPEN):
                operation["security"] = []
            else:
                for code in (401, 403, 421, 429) if "older" not in operation["tags"] else ():
                    operation["responses"].setdefault(str(code), refusal(code))
            _complete(method, operation)
        _link(found)
        _share(found)
        app.openapi_schema = found
    return app.openapi_schema


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add what every endpoint of this method understands and answers."""
    parameters: list[dict[str, Any]] = operation.setdefault("parameters", [])
    responses: dict[str, Any] = operation["responses"]
    if method == "post":
        parameters.append(_KEY)
    if method != "get":
        responses.pop("304", None)
        for code in (408, 413, 415) if "older" not in operation["tags"] else ():
            responses.setdefault(str(code), refusal(code))
    if "412" in responses:
        parameters.append(_IF_MATCH)
    if not parameters:
        del operation["parameters"]


def _share(document: dict[str, Any]) -> None:
    """Say once what many endpoints answer alike."""
    refusals = {str(code): refusal(code) for code in REFUSALS}
    shared: dict[str, Any] = {}
    for _, _, operation in _operations(document):
        for code, response in operation["responses"].items():
            if code in refusals and response == refusals[code]:
                shared[f"Refused{code}"] = response
                operation["responses"][code] = {"$ref": f"#/components/responses/Refused{code}"}
    document["components"]["responses"] = shared


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _link(document: dict[str, Any]) -> None:
    """From an answer with something new in it to every endpoint that takes its id in the path."""
    for _, _, operation in _operations(document):
        made = operation["responses"].get("201")
        for name in _things(document, made) if made is not None else ():
            pointer = f"$response.body#/{name}/id"
            links = {
                other["operationId"]: {
                    "operationId": other["operationId"],
                    "parameters": {f"path.{name}_id": pointer},
                }
                for path, _, other in _operations(document)
                if f"/{{{name}_id}}" in path
            }
            if links:
                made.setdefault("links", {}).update(links)


def _things(document: dict[str, Any], response: dict[str, Any]) -> list[str]:
    """The fields of an answer that hold something with an id."""
    reference = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    holder = document["components"]["schemas"].get(reference.rpartition("/")[2], {})
    found = []
    for name, field in holder.get("properties", {}).items():
        thing = document["components"]["schemas"].get(field.get("$ref", "").rpartition("/")[2], {})
        if "id" in thing.get("properties", {}):
            found.append(name)
    return found


def render() -> str:
    """The description as it is published."""
    from reconciler.api.app import create_app
    from reconciler.control.project import Project

    app = create_app(Project(file=Path("/fleet.yaml"), directory=Path("/")))
    return json.dumps(described(app), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def problems(path: Path = FILE) -> list[str]:
    """What is wrong with the published description, a sentence each."""
    if not path.exists():
        return [f"{path.name} is missing"]
    if path.read_text(encoding="utf-8") != render():
        return [f"{path.name} is not what the endpoints give now: python -m reconciler.api.openapi"]
    return []


def main(arguments: Sequence[str]) -> int:
    """Write the description, or check it with `--check`; 1 when something is wrong.

    Args:
        arguments: `--check`, and a file where it is not the repository's.
    """
    path = next((Path(word) for word in arguments if not word.startswith("-")), FILE)
    if "--check" in arguments:
        found = problems(path)
        for problem in found:
            print(problem, file=sys.stderr)
        return 1 if found else 0
    path.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
