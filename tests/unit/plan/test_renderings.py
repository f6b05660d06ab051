"""Plans as people and programs see them."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from reconciler.errors import PlanStale
from reconciler.plan.model import FieldChange, Plan
from reconciler.plan.render import document, lines, markdown, plan_from_document, saved_document, text
from reconciler.plan.render.values import change_text
from reconciler.plan.schema import schema
from tests.unit.plan.scenario import FOLDER, Scenario, scenarios

_COLOUR = re.compile(r"\x1b\[\d+m")

PLANNED = [path for path in scenarios() if "\nerror: " not in path.read_text(encoding="utf-8")]


def _plan(name: str) -> Plan:
    return Scenario(FOLDER / f"{name}.yaml").plan()


def _name(path: Path) -> str:
    return str(path.relative_to(FOLDER).with_suffix(""))


TEXT = """\
Plan for shop: 1 to replace, 0 to delete, 1 unchanged

Replaced
  -/+ service/web/1
        environment.GONE, environment.LOG_LEVEL and 6 other fields changed — you
          edited the file
        environment.GONE: - 1
        environment.LOG_LEVEL: info → debug
        environment.NEW: + 2
        ports[0].host_port: 8080 → 8081
        ports[2]: + 53/udp
        mounts[0].read_only: false → true
        networks[0].aliases: [] → [www]
        healthcheck.interval_ms: 30s → 5s"""

WORLD = """\
Plan for shop: 1 to replace, 0 to delete, 4 unchanged

Replaced
  -/+ service/e/1  image changed — you edited the file
        image: localhost/web:1 → localhost/web:2

Left alone
  =   service/a/1  stopped outside of fleet (exit code 137); self-healing is off
  =   service/b/1  removed outside of fleet; self-healing is off
  =   service/c/1  paused outside of fleet; self-healing is off
  =   service/d/1  name changed outside of fleet; self-healing is off"""

REMOVAL = """\
Plan for shop: 0 to replace, 1 to delete, 1 to prepare, 1 unchanged

Warnings
  !   service/db  leaves volume data behind: volumes are never removed

Deleted
  -   service/db/1  its block has left the file

Prepared
  *   network/default  remove network: no service uses it any more

Left alone
  =   volume/data  kept: volumes are never removed"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("edits/many_fields", TEXT),
        ("world/self_healing_off", WORLD),
        ("removal/one_service", REMOVAL),
        ("nothing/as_declared", "Nothing to do: 5 resources unchanged."),
    ],
)
def test_the_text_for_a_terminal(name: str, expected: str) -> None:
    assert text(_plan(name)) == expected


def test_replicas_that_share_a_fate_share_a_line() -> None:
    assert "  -/+ service/web/1, 2, 3, 4  image changed — you edited the file" in text(_plan("replicas/two_at_a_time"))


def test_records_are_told_only_where_nothing_else_happens() -> None:
    assert "Only recorded" not in text(_plan("edits/image_tag"))
    told = text(_plan("edits/settings_only"))
    assert "1 to record" in told
    assert "Only recorded\n  .   service/web" in told


def test_what_the_world_did_is_not_taken_for_an_edit() -> None:
    assert "stopped outside of fleet (exit code 137) — the world changed" in text(_plan("world/stopped_by_hand"))
    assert "image changed — you edited the file" in text(_plan("edits/image_tag"))


@pytest.mark.parametrize("path", PLANNED, ids=_name)
@pytest.mark.parametrize("width", [20, 60, 80])
def test_every_line_fits(path: Path, width: int) -> None:
    plan = Scenario(path).plan()
    for line in text(plan, width=width).splitlines():
        assert len(line) <= max(width, 40), line
    coloured = text(plan, width=width, colour=True)
    assert _COLOUR.sub("", coloured) == text(plan, width=width)


@pytest.mark.parametrize("path", PLANNED, ids=_name)
def test_the_document_is_valid_and_comes_back_whole(path: Path) -> None:
    plan = Scenario(path).plan()
    jsonschema.validate(msgspec.json.decode(msgspec.json.encode(document(plan))), schema())
    saved = msgspec.json.decode(msgspec.json.encode(saved_document(plan)))
    jsonschema.validate(saved, schema())
    assert plan_from_document(saved) == plan


def test_the_document_for_reading_is_not_for_carrying_out() -> None:
    plan = _plan("edits/values_that_look_like_secrets")
    shown = document(plan)
    assert shown["actions"][0]["definition"]["environment"]["DB_PASSWORD"] == "********"
    assert saved_document(plan)["actions"][0]["definition"]["environment"]["DB_PASSWORD"] == "hunter3"
    with pytest.raises(PlanStale, match="values covered"):
        plan_from_document(shown)


def test_a_plan_of_a_newer_release_is_refused() -> None:
    with pytest.raises(PlanStale, match="version 2 and this release reads 1"):
        plan_from_document({"version": 2})


def test_what_is_no_plan_is_refused() -> None:
    with pytest.raises(PlanStale, match="cannot be read"):
        plan_from_document({"fleet": "shop"})


@pytest.mark.parametrize("path", PLANNED, ids=_name)
def test_no_rendering_repeats_what_looks_like_a_secret(path: Path) -> None:
    plan = Scenario(path).plan()
    for told in (text(plan), markdown(plan), lines(plan), str(document(plan))):
        assert "hunter" not in told
        assert "hmac-v1" not in re.sub(r"'(digest|secret_digests|pg)': [^,]*", "", told)


MARKDOWN = """\
### Plan for shop: 0 to replace, 0 to delete, 1 to start

> ⚠ **service/a** is a job and runs again

| what | resource | why |
|---|---|---|
| Started | `service/a/1` | runs again: it failed with exit code 2 |

Left alone:

- `service/b/1`: failed with exit code 2 and its restart policy is no
"""


def test_markdown_for_a_pull_request() -> None:
    assert markdown(_plan("jobs/failed")).replace(", 1 unchanged", "") == MARKDOWN
    assert markdown(_plan("nothing/as_declared")) == "### Plan for shop: nothing to do\n"


def test_markdown_is_not_taken_over_by_values() -> None:
    plan = _plan("edits/image_tag")
    nasty = FieldChange("environment.X", "a|b", "`` </td> *x*\n# y")
    first, *others = plan.actions
    reason = msgspec.structs.replace(first.reason, text="<script> | *x*", changes=(nasty,))
    changed = msgspec.structs.replace(plan, actions=(*others, msgspec.structs.replace(others[-1], reason=reason)))
    row = next(line for line in markdown(changed).splitlines() if "script" in line)
    assert r"\<script\> \| \*x\*" in row
    assert r'``` environment.X: a\|b → "`` </td> *x*\n# y" ```' in row


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (FieldChange("command", None, ["sh", "-c", "echo 1"]), "command: + [sh, -c, echo 1]"),
        (FieldChange("user", "", "web"), 'user: "" → web'),
        (FieldChange("user", " x", None), 'user: - " x"'),
        (FieldChange("environment.A", {"from": "secret", "secret": "pg"}, "1"), "environment.A: secret pg → 1"),
        (FieldChange("secrets.pg", None, "content changed"), "secrets.pg: content changed"),
        (FieldChange("stop_grace_ms", 10_000, 90_000), "stop_grace_ms: 10s → 1m30s"),
        (FieldChange("resources.memory", 0, 1 << 30), "resources.memory: none → 1g"),
        (FieldChange("resources.cpus", 0.5, 2.0), "resources.cpus: 0.5 → 2"),
        (FieldChange("shm_size", 65536, 1), "shm_size: 64k → 1"),
        (FieldChange("configs[0].mode", 0o444, 0o400), "configs[0].mode: 0444 → 0400"),
        (
            FieldChange("ports[0]", {"container_port": 80, "host_port": 8080, "host_ip": "127.0.0.1"}, None),
            "ports[0]: - 127.0.0.1:8080:80",
        ),
        (FieldChange("ports[0]", None, {"container_port": 53, "protocol": "udp"}), "ports[0]: + 53/udp"),
        (
            FieldChange("mounts[0]", None, {"kind": "volume", "source": "data", "target": "/data", "read_only": True}),
            "mounts[0]: + data:/data:ro",
        ),
        (FieldChange("mounts[0]", None, {"kind": "tmpfs", "target": "/tmp"}), "mounts[0]: + tmpfs /tmp"),
        (FieldChange("networks[0]", None, {"network": "a", "aliases": ["x", "y"]}), "networks[0]: + a as x, y"),
        (FieldChange("networks[0]", None, {"network": "a"}), "networks[0]: + a"),
        (FieldChange("configs[0]", None, {"target": "/etc/x", "digest": "sha256:1"}), "configs[0]: + /etc/x"),
        (FieldChange("secrets[0]", None, {"secret": "pg", "target": "/run/pg"}), "secrets[0]: + pg at /run/pg"),
        (
            FieldChange("healthcheck", None, {"test": ["CMD", "true"], "interval_ms": 5000}),
            "healthcheck: + {interval_ms: 5s, test: [CMD, true]}",
        ),
        (FieldChange("healthcheck.test", [None], [True, 3]), "healthcheck.test: [none] → [true, 3]"),
        (FieldChange("x", "a" * 50, "b" * 50), f"x: {'a' * 19}… → {'b' * 19}…"),
    ],
)
def test_values_are_written_as_people_write_them(change: FieldChange, expected: str) -> None:
    assert change_text(change, limit=20 if change.path == "x" else 0) == expected
