"""Which change of a definition does what, and what a digest covers."""

from __future__ import annotations

import msgspec

from reconciler.spec.desired import ServiceSpec, service_from_document, to_document
from reconciler.spec.roles import ROLES, definition_digest, digest_of, fields_with

from .reading import service


def digest(text: str) -> str:
    return definition_digest(service(text))


def test_every_field_has_a_role() -> None:
    assert set(ROLES) == set(ServiceSpec.__struct_fields__)
    assert set(ROLES.values()) == {"replace", "update", "settings"}


def test_settings_and_limits_are_no_part_of_a_containers_definition() -> None:
    plain = digest("")
    for text in (
        "replicas: 2",
        "resources: {memory: 1g}",
        "tags: [a]",
        "restart: no",
        "protect: true",
        "notify: [h]",
        "pull: always",
    ):
        assert digest(text) == plain
    for text in (
        "image: y:1",
        "command: [a]",
        "environment: {A: b}",
        "ports: [80]",
        "labels: {a: b}",
        "user: 5",
        "restart: {supervisor: engine}",
    ):
        assert digest(text) != plain


def test_a_restart_policy_of_the_engine_is_part_of_the_container() -> None:
    document = to_document(service("restart: {policy: no, supervisor: engine}"))
    assert fields_with("replace", document)["restart"] == {"policy": "no", "supervisor": "engine"}
    assert "restart" not in fields_with("settings", document)
    document = to_document(service("restart: no"))
    assert "restart" not in fields_with("replace", document)
    assert fields_with("settings", document)["restart"] == {"policy": "no"}


def test_a_digest_has_a_scheme_and_no_order() -> None:
    assert digest_of({"b": 1, "a": [2]}) == digest_of({"a": [2], "b": 1})
    assert digest_of({}).startswith("v1:")
    assert digest_of({}, "v2").startswith("v2:")
    assert len(digest_of({})) == 3 + 32


def test_a_service_comes_back_from_its_document() -> None:
    found = service("ports: [80]\nenvironment: {A: {secret: token}}")
    document = msgspec.json.decode(msgspec.json.encode(to_document(found)))
    assert service_from_document({**document, "of_a_newer_release": 1}) == found
