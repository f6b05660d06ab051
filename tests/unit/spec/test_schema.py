"""The published JSON Schema: fresh, of the same keys as the loader, and of the same mind about files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.spec import schema as published
from reconciler.spec.desired import to_document
from reconciler.spec.effective import effective, to_yaml
from reconciler.spec.models import fleet, service, work
from reconciler.spec.models.base import SecretUse, Shape
from reconciler.spec.shape import environment, files, lifecycle, mounts, networks, ports
from reconciler.spec.shape import settings as others
from reconciler.spec.shape.fleet import SECTIONS
from reconciler.spec.shape.service import SERVICE_FIELDS
from reconciler.spec.shape.work import (
    BUDGET_FIELDS,
    HARNESS_FIELDS,
    HEARTBEAT_FIELDS,
    MISSION_FIELDS,
    REVIEW_FIELDS,
    SORTIE_FIELDS,
    SPECIALIST_FIELDS,
)
from reconciler.spec.tree import Mapping, Node, Sequence
from reconciler.spec.variables import DECLARATION_KEYS

from .everything import EVERYTHING
from .reading import desired, read
from .strategies import as_text, fleet_facts, spelled_fleet
from .test_sugar import SAME

VALIDATOR = Draft202012Validator(published.fleet_schema())

PAIRS: list[tuple[type[Shape], Any]] = [
    (fleet.Fleet, SECTIONS),
    (fleet.VariableDeclaration, DECLARATION_KEYS),
    (fleet.Secret, others.SECRET_FIELDS),
    (fleet.HandlerOptions, others.HANDLER_FIELDS),
    (fleet.Move, others.MOVE_FIELDS),
    (fleet.Sink, others.NOTIFICATION_FIELDS),
    (fleet.IgnoredDrift, others.IGNORE_FIELDS),
    (fleet.Freeze, others.FREEZE_FIELDS),
    (fleet.Reconcile, others.RECONCILE_FIELDS),
    (fleet.CompactionOptions, others.COMPACTION_FIELDS),
    (fleet.BackupOptions, others.BACKUP_FIELDS),
    (fleet.Database, others.DATABASE_FIELDS),
    (service.Service, SERVICE_FIELDS),
    (service.Port, ports.PORT_FIELDS),
    (service.MountPoint, mounts.MOUNT_FIELDS),
    (service.TmpfsOptions, mounts.TMPFS_FIELDS),
    (service.Config, files.CONFIG_FIELDS),
    (service.SecretMount, files.SECRET_FILE_FIELDS),
    (service.BuildOptions, files.BUILD_FIELDS),
    (service.HealthCheckOptions, lifecycle.HEALTHCHECK_FIELDS),
    (service.BackoffOptions, lifecycle.BACKOFF_FIELDS),
    (service.RestartOptions, lifecycle.RESTART_FIELDS),
    (service.UpdateOptions, lifecycle.UPDATE_FIELDS),
    (service.Limits, lifecycle.RESOURCES_FIELDS),
    (service.SoftHard, lifecycle.ULIMIT_FIELDS),
    (service.Condition, lifecycle.CONDITION_FIELDS),
    (service.NetworkAliases, networks.ALIAS_FIELDS),
    (service.Network, networks.NETWORK_FIELDS),
    (service.Volume, networks.VOLUME_FIELDS),
    (SecretUse, environment.SECRET_USE_FIELDS),
    (work.Specialist, SPECIALIST_FIELDS),
    (work.HarnessOptions, HARNESS_FIELDS),
    (work.Heartbeat, HEARTBEAT_FIELDS),
    (work.BudgetLimits, BUDGET_FIELDS),
    (work.Mission, MISSION_FIELDS),
    (work.Sortie, SORTIE_FIELDS),
    (work.ReviewOptions, REVIEW_FIELDS),
]


def plain(node: Node) -> Any:
    """The data that a schema-checking editor sees."""
    if isinstance(node, Mapping):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def objections(text: str) -> list[str]:
    from reconciler.spec.compose import compose
    from reconciler.spec.problems import Problems

    from .reading import source

    tree = compose(source(text), Problems())
    assert tree is not None
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(plain(tree))]


@pytest.mark.parametrize(("model", "fields"), PAIRS, ids=[model.__name__ for model, _ in PAIRS])
def test_the_model_and_the_loader_know_the_same_keys(model: type[Shape], fields: Any) -> None:
    assert {field.alias or name for name, field in model.model_fields.items()} == set(fields)


def test_every_model_is_compared() -> None:
    assert {model for model, _ in PAIRS} == set(_below(Shape))


def _below(model: type[Shape]) -> list[type[Shape]]:
    return [found for inner in model.__subclasses__() for found in [inner, *_below(inner)]]


def test_the_published_file_is_what_the_models_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert published.main(["--check"]) == 0
    assert capsys.readouterr().out == "fleet.schema.json is up to date\n"


def test_the_file_is_written_where_it_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    assert published.main(["--check", str(path)]) == 1
    assert published.main([str(path)]) == 0
    assert published.main([str(path)]) == 0
    assert json.loads(path.read_text())["title"] == "fleet.yaml"
    assert capsys.readouterr().out.splitlines() == [
        "x.json is not what the models give now",
        "x.json written",
        "x.json was up to date",
    ]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(published.fleet_schema())


def test_a_file_with_everything_is_right_to_both() -> None:
    assert objections(EVERYTHING) == []
    assert read(EVERYTHING, profiles=("front",)).lines == []


@pytest.mark.parametrize("text", [text for _, _, texts in SAME for text in texts])
def test_every_spelling_is_right_to_the_schema(text: str) -> None:
    body = "\n".join(f"    {line}" for line in text.splitlines())
    assert objections(f"services:\n  web:\n{body}\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "servces: {}",
        "version: 2",
        "services: {web: {imge: x}}",
        "services: {web: {replicas: two}}",
        "services: {web: {read_only: yes}}",
        "services: {web: {ports: [{published: 80}]}}",
        "services: {web: {restart: sometimes}}",
        "services: {web: {allow: [everything]}}",
        "services: {web: {depends_on: {db: ready}}}",
        "missions: {m: {title: x}}",
        "missions: {m: {sorties: {a: {priority: urgent}}}}",
        "secrets: {a: hunter2}",
        "database: {durability: some}",
        "notifications: [{webhook: 'https://x'}]",
    ],
)
def test_what_is_wrong_to_both(text: str) -> None:
    assert objections(text)
    assert read(text).lines


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_what_the_loader_takes_the_schema_takes(data: st.DataObject) -> None:
    text = as_text(data.draw(spelled_fleet(data.draw(fleet_facts()))))
    desired(text)
    assert objections(text) == []


def test_everything_comes_back_from_the_effective_file() -> None:
    before = desired(EVERYTHING, profiles=("front",))
    document = effective(before)
    assert desired(to_yaml(document), profiles=("front",)) == before
    assert desired(json.dumps(document), profiles=("front",)) == before
    assert objections(to_yaml(document)) == []
    assert read(to_yaml(document), profiles=("front",)).tree is not None


def test_everything_is_used() -> None:
    """Every field of every value is set somewhere in the file, so that the round trips above leave nothing out."""
    found = to_document(desired(EVERYTHING, profiles=("front",)))
    from reconciler.spec.desired import Desired, MissionSpec, ServiceSpec, SortieSpec, SpecialistSpec

    used = {key for one in found["services"].values() for key in one}
    assert set(ServiceSpec.__struct_fields__) - used == {"build", "env_files"}
    assert set(Desired.__struct_fields__) - set(found) == {"version", "inactive"}
    assert set(SpecialistSpec.__struct_fields__) - set(found["specialists"]["builder"]) == set()
    assert set(MissionSpec.__struct_fields__) - set(found["missions"]["m"]) == set()
    sorties = found["missions"]["m"]["sorties"]
    assert set(SortieSpec.__struct_fields__) - {key for sortie in sorties.values() for key in sortie} == set()
