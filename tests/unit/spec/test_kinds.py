"""Every key of every section given something of another kind: always a problem, never a crash, never two for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.spec.compose import compose
from reconciler.spec.problems import Problems
from reconciler.spec.shape import files, lifecycle, mounts, networks, ports, settings, work
from reconciler.spec.shape.service import SERVICE_FIELDS

from .reading import read, service, source

# For each table of keys a file with a gap where one of them goes.
TABLES: list[tuple[str, Any]] = [
    ("services: {{web: {{image: x:1, {0}}}}}", SERVICE_FIELDS),
    ("services: {{web: {{provider: postgres, {0}}}}}", SERVICE_FIELDS),
    ("services: {{web: {{image: x:1, ports: [{{target: 80, {0}}}]}}}}", ports.PORT_FIELDS),
    ("services: {{web: {{image: x:1, volumes: [{{{0}}}]}}}}", mounts.MOUNT_FIELDS),
    ("services: {{web: {{image: x:1, volumes: [{{type: tmpfs, target: /t, tmpfs: {{{0}}}}}]}}}}", mounts.TMPFS_FIELDS),
    ("services: {{web: {{image: x:1, configs: [{{{0}}}]}}}}", files.CONFIG_FIELDS),
    ("services: {{web: {{image: x:1, secrets: [{{{0}}}]}}}}", files.SECRET_FILE_FIELDS),
    ("services: {{web: {{build: {{{0}}}}}}}", files.BUILD_FIELDS),
    ("services: {{web: {{image: x:1, healthcheck: {{test: a, {0}}}}}}}", lifecycle.HEALTHCHECK_FIELDS),
    ("services: {{web: {{image: x:1, restart: {{{0}}}}}}}", lifecycle.RESTART_FIELDS),
    ("services: {{web: {{image: x:1, restart: {{backoff: {{{0}}}}}}}}}", lifecycle.BACKOFF_FIELDS),
    ("services: {{web: {{image: x:1, update: {{{0}}}}}}}", lifecycle.UPDATE_FIELDS),
    ("services: {{web: {{image: x:1, resources: {{{0}}}}}}}", lifecycle.RESOURCES_FIELDS),
    ("services: {{web: {{image: x:1, ulimits: {{core: {{{0}}}}}}}}}", lifecycle.ULIMIT_FIELDS),
    ("networks: {{n: {{{0}}}}}", networks.NETWORK_FIELDS),
    ("volumes: {{v: {{{0}}}}}", networks.VOLUME_FIELDS),
    ("secrets: {{s: {{{0}}}}}", settings.SECRET_FIELDS),
    ("handlers: {{h: {{{0}}}}}", settings.HANDLER_FIELDS),
    ("moved: [{{{0}}}]", settings.MOVE_FIELDS),
    ("notifications: [{{{0}}}]", settings.NOTIFICATION_FIELDS),
    ("reconcile: {{{0}}}", settings.RECONCILE_FIELDS),
    ("reconcile: {{ignore_drift: [{{{0}}}]}}", settings.IGNORE_FIELDS),
    ("reconcile: {{freeze: [{{{0}}}]}}", settings.FREEZE_FIELDS),
    ("database: {{{0}}}", settings.DATABASE_FIELDS),
    ("database: {{compaction: {{{0}}}}}", settings.COMPACTION_FIELDS),
    ("database: {{backup: {{{0}}}}}", settings.BACKUP_FIELDS),
    ("specialists: {{s: {{{0}}}}}", work.SPECIALIST_FIELDS),
    ("specialists: {{s: {{harness: {{{0}}}}}}}", work.HARNESS_FIELDS),
    ("specialists: {{s: {{heartbeat: {{{0}}}}}}}", work.HEARTBEAT_FIELDS),
    ("specialists: {{s: {{budget: {{{0}}}}}}}", work.BUDGET_FIELDS),
    ("missions: {{m: {{sorties: {{a: }}, {0}}}}}", work.MISSION_FIELDS),
    ("missions: {{m: {{sorties: {{s: {{{0}}}}}}}}}", work.SORTIE_FIELDS),
    ("missions: {{m: {{sorties: {{s: {{review: {{{0}}}}}}}}}}}", work.REVIEW_FIELDS),
]
# Which kinds a key never takes; `{}` and `[]` are fine wherever a collection is.
WRONG = ("[[[a]]]", "{zz: {zz: {zz: a}}}", "[{zz: a}]", '"\\0"')


def every_key() -> Iterator[tuple[str, str]]:
    for template, fields in TABLES:
        for key in fields:
            yield template, key


@pytest.mark.parametrize(("template", "key"), list(every_key()))
@pytest.mark.parametrize("value", WRONG)
def test_another_kind_is_a_problem(template: str, key: str, value: str) -> None:
    text = template.format(f"{key}: {value}")
    found = read(text).lines
    if key in {"test", "image", "sorties"} and f"{key}:" in template:
        assert any("given twice" in line for line in found)
        return
    assert found, text
    assert all("Traceback" not in line for line in found)


@pytest.mark.parametrize(("template", "key"), list(every_key()))
def test_what_was_reported_is_not_reported_again(template: str, key: str) -> None:
    text = template.format(f"{key}: '${{nobody}}'")
    if f"{key}: " in template:
        return
    found = read(text).lines
    message = "variables cannot be used here" if template.startswith("database") else "no variable 'nobody' is declared"
    assert len([line for line in found if message in line]) == 1
    assert not [line for line in found if f".{key}: this is" in line or f".{key}: '" in line], found


@pytest.mark.parametrize(("template", "key"), list(every_key()))
def test_null_is_as_good_as_nothing(template: str, key: str) -> None:
    if f"{key}: " in template:
        return
    without = read(template.format("")).lines
    assert read(template.format(f"{key}: ")).lines == without


@pytest.mark.parametrize(
    "text",
    [
        "environment: [[a]]",
        "labels: [~]",
        "networks: [[a]]",
        "depends_on: [~]",
        "volumes: [~]",
        "configs: [~]",
        "secrets: [~]",
        "ports: [~]",
        "ports: [1-900, 1001-1900]",
        "tmpfs: [~]",
        "cap_add: [[a]]",
        "cap_add: [~, {a: b}]",
        "healthcheck: {test: [[a]]}",
        "ulimits: {core: ~}",
        "ulimits: [core]",
        "extra_hosts: {a: [b]}",
        "dns: [~]",
        "environment: {A: true, B: [c]}",
    ],
)
def test_another_kind_inside_of_a_list(text: str) -> None:
    assert read(f"services: {{web: {{image: x:1, {text}}}}}").lines


def test_a_template_whose_image_is_built() -> None:
    found = read("name: shop\nservices: {db: {provider: postgres, build: ./nowhere, profiles: [x]}}\n")
    assert found.lines == []


def test_a_database_user_that_the_engine_takes_and_postgres_does_not() -> None:
    found = read("services: {db: {provider: postgres, user: '1000:1000'}}\n")
    assert found.lines == ["fleet.yaml:1:43: services.db.user: '1000:1000' is no PostgreSQL user"]


def test_trust_that_is_meant_is_no_warning() -> None:
    text = "services: {db: {provider: postgres, environment: {POSTGRES_HOST_AUTH_METHOD: trust}}}\n"
    assert read(text).warnings == []
    assert service("provider: postgres\nenvironment: {POSTGRES_HOST_AUTH_METHOD: md5}").environment == {
        "POSTGRES_HOST_AUTH_METHOD": "md5"
    }


def test_a_text_that_no_parser_takes_is_a_problem() -> None:
    problems = Problems()
    assert compose(source("a: \x07"), problems) is None
    assert problems.incomplete
    assert len(problems.found) == 1


def test_an_anchor_of_one_value() -> None:
    assert service("command: [&a echo, *a]").command == ("echo", "echo")


def test_a_problem_without_its_beginning() -> None:
    found = read("a: b: c\n").lines
    assert found == ["fleet.yaml:1:5: YAML: mapping values are not allowed in this context"]
