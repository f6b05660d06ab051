"""Good examples to begin fuzzing from: mutating these reaches further than starting from nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from reconciler.events.examples import example
from reconciler.events.registry import TYPES, model_of

_ROOT = Path(__file__).resolve().parents[2]

_OLD = {
    "mailboxes": {"m": {"id": "m", "created_at": "2024-05-01T10:00:00.000Z", "updated_at": "2024-05-01T10:00:00.000Z"}},
    "events": {
        "m": [
            {
                "id": "a",
                "type": "note",
                "data": '{"x": 1}',
                "occurred_at": "2024-05-01T10:00:00.000Z",
                "causation_id": "q",
            },
            {"type": "note", "data": {"y": [1]}, "occurred_at": "2024-05-01T10:00:01Z", "metadata": '{"sender": "s"}'},
        ]
    },
    "cursors": {"c": {"id": "c", "stream_id": "m", "position": 1, "consumer_id": "k"}},
    "locks": {
        "l": {
            "id": "l",
            "file": "/a.py",
            "reserved_by": "s",
            "reserved_at": "2024-05-01T10:00:00Z",
            "released_at": None,
            "purpose": "edit",
            "checksum": None,
            "timeout_ms": 30000,
            "metadata": None,
        }
    },
}
_SAID = (
    [{"type": "result", "subtype": "success", "is_error": False, "result": "done", "total_cost_usd": 0.1}],
    [
        {
            "type": "assistant",
            "message": {"content": [{"type": "text", "text": "hi\x1b[31m"}], "usage": {"output_tokens": 3}},
        }
    ],
    [
        {"type": "item.completed", "item": {"type": "agent_message", "text": "x"}},
        {"type": "turn.completed", "usage": {}},
    ],
    [{"type": "text", "part": {"text": "x"}}, {"type": "step_finish", "part": {"cost": 1, "tokens": {"input": 1}}}],
    [{"success": True, "summary": "s", "artifacts": ["a"], "progress": 40, "verdict": "approved"}],
    [{"type": "error", "error": {"message": "429 Too Many Requests, retry-after: 7"}}],
)


def seeds(target: str) -> Iterator[bytes]:
    """Inputs that the target takes."""
    match target:
        case "spec":
            for path in sorted([*_ROOT.glob("examples/**/*.yaml"), _ROOT / "fleet.yaml"]):
                yield path.read_bytes()
        case "events":
            for number, name in enumerate(sorted(TYPES)):
                yield bytes([number]) + json.dumps(example(model_of(name).model_json_schema())).encode()
        case "squawk":
            yield json.dumps(_OLD).encode()
            yield json.dumps(dict.fromkeys(_OLD, {})).encode()
        case "harness":
            for kind in range(5):
                for lines in _SAID:
                    yield bytes([kind]) + "\n".join(map(json.dumps, lines)).encode() + b"\n\x80"
