"""Every example of the reference is a right file, to the loader and to the schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.spec.load import LoadOptions, load
from reconciler.spec.shape.service import ALLOWANCES, SERVICE_FIELDS
from tests.unit.spec.test_schema import objections

TEXT = (Path(__file__).parents[3] / "docs" / "fleet-yaml.md").read_text()
ROOT = Path(__file__).parents[3]
FILES = [ROOT / "fleet.yaml", *sorted(ROOT.glob("examples/*/fleet.yaml"))]
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example(example: str, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(example)
    found = load(tmp_path / "fleet.yaml", project=tmp_path, options=LoadOptions(environ={"IMAGE_TAG": "1"}))
    assert [str(warning) for warning in found.warnings] == []
    assert objections(example) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_file_that_people_start_from(file: Path) -> None:
    load(file, project=file.parent, options=LoadOptions(environ={}))
    assert objections(file.read_text()) == []


def test_every_key_of_a_service_is_explained() -> None:
    provider_only = {"port", "password", "database"}
    named = set(re.findall(r"`([a-z_]+)`", TEXT))
    assert set(SERVICE_FIELDS) - named - provider_only == set()
    assert set(ALLOWANCES) <= set(re.findall(r"`([a-z-]+)`", TEXT))
