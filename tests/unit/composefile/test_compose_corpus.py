"""Compose files as people write them, and the fleet that each becomes: every field, and every remark.

A case is a folder: Compose files, what they name, and `expect.yaml` with the environment, the services as documents (a
field at its default is left out) and the remarks. `{here}` stands for the folder.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from reconciler.spec.composefile import convert
from reconciler.spec.composefile.rendering import render
from reconciler.spec.desired import to_document
from reconciler.spec.load import LoadOptions, load
from reconciler.spec.schema import fleet_schema

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(folder.name for folder in CORPUS.iterdir())


def outcome(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """What a case gives: the fleet that is loaded from the text that is written, and the remarks."""
    environ = dict(wanted.get("environ", {}))
    conversion = convert([folder / name for name in wanted["files"]], folder=folder, environ=environ)
    file = folder / "fleet.yaml"
    file.write_text(render(conversion, schema="./fleet.schema.json"), encoding="utf-8")
    loaded = load(
        file, project=folder, options=LoadOptions(profiles=tuple(wanted.get("profiles", ())), environ=environ)
    )
    desired = to_document(loaded.desired)
    found: dict[str, Any] = {key: value for key, value in wanted.items() if key in ("files", "environ", "profiles")}
    for section in ("services", "networks", "volumes", "secrets"):
        found[section] = {
            name: {key: value for key, value in document.items() if key != "name"}
            for name, document in desired.get(section, {}).items()
        }
    found["notes"] = [f"{note.line} {note.path}: {note.kind}: {note.message}" for note in conversion.notes]
    text = json.dumps(found).replace(str(folder), "{here}")
    plain: dict[str, Any] = json.loads(text)
    return plain


@pytest.mark.parametrize("case", CASES)
def test_a_compose_file_becomes_the_same_containers(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / case
    shutil.copytree(CORPUS / case, folder)
    monkeypatch.chdir(folder)
    wanted = yaml.safe_load((folder / "expect.yaml").read_text())
    found = outcome(folder, wanted)
    for service in found["services"].values():
        if "build" in service:
            assert service["build"].pop("digest")
    assert found == wanted
    jsonschema.validate(yaml.safe_load((folder / "fleet.yaml").read_text()), fleet_schema())
