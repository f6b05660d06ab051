"""A valid example of an event, made from its schema, for people who write one.

Fields that mean the same in every event have one example value here; the rest follows from the type.
"""

from __future__ import annotations

from typing import Any

_TIME = "2026-01-31T12:00:00.000Z"
_DIGEST = "v1:3f5a1c0de94b7d2281f6a0b35c7e9d14"
_ID = "0190c2a4b5d67e8f9a0b1c2d3e4f5a6b"

_BY_NAME: dict[str, Any] = {
    "action": "create_container",
    "acker_id": "builder-1",
    "actor": "ada",
    "actor_id": "builder-1",
    "apply_id": f"apply_{_ID}",
    "archived_by": "ada",
    "assigned_to": "builder-1",
    "build_digest": _DIGEST,
    "by": "ada",
    "changed_by": "ada",
    "checkpoint_id": f"ckpt_{_ID}",
    "closed_by": "ada",
    "code": "declared",
    "confirmed_by": "ada",
    "consumer_id": "builder-1",
    "container_id": "4f1c9e2ab37d",
    "digest": _DIGEST,
    "drained_by": "ada",
    "engine_name": "shop-default",
    "event_id": f"evt_{_ID}",
    "existing_lock_id": f"lock_{_ID}",
    "field": "name",
    "file": "fleet.yaml",
    "file_path": "src/auth.py",
    "from_resource": "service/web",
    "handler": "reload-proxy",
    "holder": "host1:4711",
    "holding_specialist": "builder-2",
    "image": "localhost/shop-web:1",
    "image_id": "sha256:9b2f5c1d",
    "intent_id": f"evt_{_ID}",
    "lock_id": f"lock_{_ID}",
    "mailbox_id": "builder-1",
    "message_id": f"msg_{_ID}",
    "message_type": "question",
    "mission_id": f"msn_{_ID}",
    "name": "web",
    "network": "default",
    "normalized_path": "src/auth.py",
    "path": "image",
    "plan_digest": _DIGEST,
    "pool": "builder",
    "previous_name": "old-web",
    "process_id": f"evt_{_ID}",
    "project_hash": "3f5a1c0de94b",
    "project_path": "/home/ada/shop",
    "reader_id": "builder-1",
    "requesting_specialist": "builder-1",
    "reset_by": "ada",
    "resource": "service/web",
    "retried_by": "ada",
    "review_id": f"rev_{_ID}",
    "reviewer_id": "reviewer-1",
    "service": "web",
    "snapshot_id": f"snap_{_ID}",
    "sortie_id": f"sortie_{_ID}",
    "spawned_by": "ada",
    "specialist_id": "builder-1",
    "stream_id": "web",
    "thread_id": f"thread_{_ID}",
    "title": "Add login",
    "to_resource": "service/shop-web",
    "volume": "data",
}


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """Data that the schema's model takes: required fields, and those with a default that says something."""
    value: dict[str, Any] = _value("", schema, schema.get("$defs", {}))
    return value


def _value(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(name, definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _value(name, schema["anyOf"][0], definitions)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object":
            return _object(schema, definitions)
        case "array":
            return [_value(name.removesuffix("s"), schema.get("items", {}), definitions)]
        case "integer" | "number":
            return _number(name, schema)
        case "boolean":
            return True
        case "string":
            return _TIME if schema.get("format") == "date-time" else _text(name)
        case _:
            return _text(name)


def _object(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    chosen: dict[str, Any] = {}
    for field, inner in schema.get("properties", {}).items():
        if field in required:
            chosen[field] = _value(field, inner, definitions)
        elif inner.get("default") is not None:
            chosen[field] = inner["default"]
    return chosen


def _text(name: str) -> str:
    known = _BY_NAME.get(name)
    return known if known is not None else name.replace("_", " ") or "text"


def _number(name: str, schema: dict[str, Any]) -> int:
    if schema.get("description") == "Unix milliseconds":
        return 1_769_860_800_000
    if schema.get("description") == "milliseconds":
        return 30_000
    return 1
