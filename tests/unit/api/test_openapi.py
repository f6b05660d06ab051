"""The description of the interface that is published is the one that the endpoints give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.api.openapi import FILE, main, problems, render


def test_the_published_description_is_fresh() -> None:
    assert problems() == []


def test_a_stale_or_missing_one_is_told_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "openapi.json"
    assert main(["--check", str(file)]) == 1
    file.write_text("{}")
    assert main(["--check", str(file)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "openapi.json is missing",
        "openapi.json is not what the endpoints give now: python -m reconciler.api.openapi",
    ]
    assert main([str(file)]) == 0
    assert main(["--check", str(file)]) == 0


def test_it_is_the_same_every_time_and_links_what_is_made() -> None:
    assert render() == render()
    document = json.loads(FILE.read_text(encoding="utf-8"))
    links = document["paths"]["/api/v1/sorties"]["post"]["responses"]["201"]["links"]
    assert links["start_sortie"]["parameters"] == {"path.sortie_id": "$response.body#/sortie/id"}
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


def test_every_operation_says_what_it_does_and_how_it_refuses() -> None:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            assert one["description"].endswith((".", ")", "`")), (method, path)
            if path.startswith("/api/"):
                assert {"401", "403"} <= one["responses"].keys() or path.endswith("/stream"), (method, path)
