"""The published schemas are fresh, and the generator never narrows one that was published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest

from reconciler.events import schemas
from reconciler.events.registry import TYPES, EventType, explain, validate
from reconciler.events.schemas import SchemaIncompatible, check, main, render, schema_of, write


def test_the_published_schemas_are_fresh_and_only_grew() -> None:
    assert check() == []


@pytest.mark.parametrize("event_type", TYPES)
def test_the_schema_names_its_type_and_stream(event_type: str) -> None:
    schema = schema_of(event_type)
    assert schema["title"] == event_type
    assert schema["x-stream-type"] == TYPES[event_type].stream_type
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("event_type", TYPES)
def test_what_the_model_stores_is_valid_under_the_published_schema(event_type: str) -> None:
    _, data = validate(event_type, explain(event_type).example)
    jsonschema.validate(data, schema_of(event_type))


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert len(write(tmp_path)) == len(TYPES)
    assert write(tmp_path) == []
    assert check(tmp_path) == []


def test_a_schema_that_would_narrow_is_not_written(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "ctk_released.v1.json"
    published = json.loads(path.read_text())
    published["properties"]["note"] = {"type": "string"}
    path.write_text(render(published))
    with pytest.raises(SchemaIncompatible, match=r"ctk_released\.v1\.json: note was removed") as caught:
        write(tmp_path)
    assert "upcaster" in caught.value.hint
    assert json.loads(path.read_text()) == published
    assert "ctk_released.v1.json: note was removed" in check(tmp_path)


def test_check_finds_what_is_stale_missing_or_left_over(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "ctk_conflict.v1.json").unlink()
    stale = tmp_path / "ctk_reserved.v1.json"
    stale.write_text(stale.read_text() + "\n")
    (tmp_path / "ctk_stolen.v1.json").write_text("{}")
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "ctk_released.v2.json").write_text("{}")
    assert check(tmp_path) == [
        "ctk_reserved.v1.json is not what the model gives now",
        "ctk_conflict.v1.json is missing",
        "ctk_released.v2.json is newer than the model, which is at version 1",
        "ctk_stolen.v1.json belongs to no event type; a published type is never taken away",
        "notes.json belongs to no event type; a published type is never taken away",
    ]


def test_an_old_version_needs_a_way_to_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types: Mapping[str, EventType] = {"ctk_conflict": EventType("ctk", "ctk", version=2)}
    monkeypatch.setattr(schemas, "TYPES", types)
    (tmp_path / "ctk_conflict.v1.json").write_text(render(schema_of("ctk_conflict")))
    (tmp_path / "ctk_conflict.v2.json").write_text(render(schema_of("ctk_conflict")))
    assert check(tmp_path) == ["ctk_conflict.v1.json has no upcasters up to version 2"]
    monkeypatch.setattr(schemas, "UPCASTERS", {("ctk_conflict", 1): dict})
    assert check(tmp_path) == []


def test_the_command_checks_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path)
    assert main(["--check", folder]) == 1
    assert "ctk_conflict.v1.json is missing" in capsys.readouterr().out
    assert main([folder]) == 0
    assert f"{len(TYPES)} of {len(TYPES)} event schemas written" in capsys.readouterr().out
    assert main(["--check", folder]) == 0
    path = tmp_path / "ctk_conflict.v1.json"
    published = json.loads(path.read_text())
    path.write_text(render({**published, "properties": {**published["properties"], "gone": {}}}))
    assert main([folder]) == 1
    assert "gone was removed" in capsys.readouterr().err
