"""Generated files: right ones in several spellings, and wild ones out of known keys and odd values."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from reconciler.spec.shape.files import BUILD_FIELDS, CONFIG_FIELDS, SECRET_FILE_FIELDS
from reconciler.spec.shape.fleet import SECTIONS
from reconciler.spec.shape.lifecycle import HEALTHCHECK_FIELDS, RESOURCES_FIELDS, RESTART_FIELDS, UPDATE_FIELDS
from reconciler.spec.shape.mounts import MOUNT_FIELDS
from reconciler.spec.shape.ports import PORT_FIELDS
from reconciler.spec.shape.service import SERVICE_FIELDS
from reconciler.spec.shape.settings import DATABASE_FIELDS, NOTIFICATION_FIELDS, RECONCILE_FIELDS
from reconciler.spec.shape.work import MISSION_FIELDS, SORTIE_FIELDS, SPECIALIST_FIELDS

names = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?", fullmatch=True)
plain_text = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)

ODD = [
    *(
        "",
        " ",
        "a",
        "no",
        "5",
        "-1",
        "1e400",
        "22:22",
        "a:b",
        "a:/b",
        "./a:/b:ro",
        "8080:80",
        "1-9:1-9",
        "99999",
        "${x}",
        "${",
        "$$",
    ),
    *(
        "30s",
        "PT",
        "1g",
        "always",
        "on-failure:3",
        "\u202e",
        "\0",
        "/",
        "~",
        "x" * 300,
        "a b",
        "service/a",
        "* * * * *",
        "²",
    ),
    *(None, True, False, 0, -1, 5, 2**40, 10**30, 1.5, float("inf"), float("nan"), -0.0),
]
KEYS = sorted(
    {
        key
        for fields in (SERVICE_FIELDS, PORT_FIELDS, MOUNT_FIELDS, HEALTHCHECK_FIELDS, RESTART_FIELDS)
        for key in fields
    }
    | {
        key
        for fields in (CONFIG_FIELDS, SECRET_FILE_FIELDS, BUILD_FIELDS, UPDATE_FIELDS, RESOURCES_FIELDS)
        for key in fields
    }
    | {"secret", "condition", "aliases", "a", "b", "<<", "x-y", "", "A b", "env", "default", "type", "soft", "events"}
)
odd_values = st.recursive(
    st.sampled_from(ODD) | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | names, inner, max_size=3),
    max_leaves=6,
)


def _wild(keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(keys)), odd_values, max_size=6)


_named: dict[str, st.SearchStrategy[Any]] = {
    "services": _wild(SERVICE_FIELDS),
    "specialists": _wild(SPECIALIST_FIELDS),
    "missions": st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(MISSION_FIELDS, odd_values),
            "sorties": st.dictionaries(names, _wild(SORTIE_FIELDS), max_size=3),
        },
    ),
    "variables": _wild(["type", "default", "env", "choices", "description"]),
    "secrets": _wild(["env", "file", "command"]),
    "handlers": _wild(["restart", "service", "command"]),
    "networks": _wild(["name", "external", "internal", "subnet"]),
    "volumes": _wild(["name", "external"]),
}
wild_files = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(SECTIONS, odd_values),
        **{
            section: st.dictionaries(names, inner | odd_values, max_size=3) | odd_values
            for section, inner in _named.items()
        },
        "reconcile": _wild(RECONCILE_FIELDS),
        "database": _wild(DATABASE_FIELDS),
        "notifications": st.lists(_wild(NOTIFICATION_FIELDS), max_size=2),
        "junk": odd_values,
    },
)


def as_text(document: Any) -> str:
    """The document as JSON, which is YAML but for the words of odd numbers."""
    return json.dumps(document).replace("Infinity", ".inf").replace("NaN", ".nan")


@st.composite
def spelled(draw: st.DrawFn, milliseconds: int) -> Any:
    """A duration in one of its spellings."""
    spellings: list[Any] = [
        f"{milliseconds}ms",
        f"{milliseconds / 1000}s",
        f"PT{milliseconds / 1000}S",
        milliseconds / 1000,
    ]
    if milliseconds % 1000 == 0:
        minutes, seconds = divmod(milliseconds // 1000, 60)
        spellings += [
            milliseconds // 1000,
            f"{milliseconds // 1000}",
            f"{minutes}m{seconds}s",
            f"PT{minutes}M{seconds}S",
        ]
    return draw(st.sampled_from(spellings))


@st.composite
def sized(draw: st.DrawFn, mebibytes: int) -> Any:
    """A size in one of its spellings."""
    return draw(st.sampled_from([f"{mebibytes}m", f"{mebibytes}MiB", f"{mebibytes * 1024}k", mebibytes * 1024 * 1024]))


@st.composite
def table(draw: st.DrawFn, pairs: dict[str, str], separator: str = "=") -> Any:
    """A table of text as a mapping or as a list, in any order."""
    items = draw(st.permutations(sorted(pairs.items())))
    if draw(st.booleans()):
        return [f"{name}{separator}{value}" for name, value in items]
    return dict(items)


@st.composite
def shuffled(draw: st.DrawFn, items: list[Any]) -> list[Any]:
    """A list in any order, with an item twice at times."""
    extra = items[:1] if draw(st.booleans()) else []
    return draw(st.permutations([*items, *extra]))


_variables = st.dictionaries(
    st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True),
    st.from_regex(r"[a-z0-9 ./=:-]{0,8}", fullmatch=True),
    max_size=3,
)


@st.composite
def service_facts(draw: st.DrawFn, others: list[str]) -> dict[str, Any]:
    """What a service is, before it is spelled."""
    facts: dict[str, Any] = {
        "image": draw(st.sampled_from(["redis", "localhost/web:1", "a.b/c/d:5", "x@sha256:" + "a" * 64]))
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "environment": _variables,
        "labels": st.dictionaries(names, names, max_size=2),
        "ports": st.sets(st.integers(1, 60_000), max_size=3).map(sorted),
        "tags": st.sets(names, max_size=3).map(sorted),
        "networks": st.sets(st.sampled_from(["back", "front"]), min_size=1).map(sorted),
        "command": st.lists(st.from_regex(r"[a-z0-9=./-]{1,8}", fullmatch=True), min_size=1, max_size=3),
        "stop": st.integers(0, 100_000),
        "interval": st.integers(1, 100_000),
        "memory": st.integers(6, 5_000),
        "replicas": st.integers(0, 5),
        "read_only": st.booleans(),
        "restart": st.sampled_from(["no", "always", "on-failure", "unless-stopped"]),
        "depends_on": st.sets(st.sampled_from(others)).map(sorted) if others else st.just([]),
        "mounts": st.lists(st.sampled_from(["/a", "/b", "/c"]), unique=True, max_size=2),
    }
    for key, strategy in optional.items():
        if draw(st.booleans()):
            facts[key] = draw(strategy)
    return facts


@st.composite
def spelled_service(draw: st.DrawFn, facts: dict[str, Any]) -> dict[str, Any]:
    """One way to write a service down."""
    image = facts["image"]
    written: dict[str, Any] = {"image": draw(st.sampled_from(["redis", "redis:latest"])) if image == "redis" else image}
    for key in ("read_only", "replicas"):
        if key in facts:
            written[key] = facts[key]
    for key in ("environment", "labels"):
        if key in facts:
            written[key] = draw(table(facts[key]))
    for key in ("tags", "networks"):
        if key in facts:
            written[key] = draw(shuffled(facts[key]))
    if "ports" in facts:
        spellings = [
            draw(st.sampled_from([port, str(port), f"{port}/tcp", {"target": port}])) for port in facts["ports"]
        ]
        written["ports"] = draw(shuffled(spellings))
    if "command" in facts:
        written["command"] = draw(st.sampled_from([facts["command"], " ".join(facts["command"])]))
    if "stop" in facts:
        written["stop_grace_period"] = draw(spelled(facts["stop"]))
    if "interval" in facts:
        test = draw(st.sampled_from([["CMD-SHELL", "a b"], "a b"]))
        written["healthcheck"] = {"test": test, "interval": draw(spelled(facts["interval"]))}
    if "memory" in facts:
        written["resources"] = {"memory": draw(sized(facts["memory"]))}
    if "restart" in facts:
        written["restart"] = draw(st.sampled_from([facts["restart"], {"policy": facts["restart"]}]))
    if "depends_on" in facts:
        gates = [facts["depends_on"], dict.fromkeys(facts["depends_on"], "started")]
        gates.append({name: {"condition": "service_started"} for name in facts["depends_on"]})
        written["depends_on"] = draw(st.sampled_from(gates))
    if "mounts" in facts:
        spellings = [
            draw(st.sampled_from([f"data:{path}", {"type": "volume", "source": "data", "target": path + "/"}]))
            for path in facts["mounts"]
        ]
        written["volumes"] = draw(st.permutations(spellings))
    return dict(draw(st.permutations(list(written.items()))))


@st.composite
def fleet_facts(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Services that depend on those before them only."""
    found: dict[str, dict[str, Any]] = {}
    for name in draw(st.lists(names, unique_by=lambda name: name.replace("-", ""), max_size=4)):
        found[name] = draw(service_facts(list(found)))
    return found


@st.composite
def spelled_fleet(draw: st.DrawFn, facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One way to write a fleet down."""
    order = draw(st.permutations(list(facts)))
    document: dict[str, Any] = {
        "version": 1,
        "name": "shop",
        "networks": draw(st.sampled_from([{"back": None, "front": {}}, {"front": None, "back": None}])),
        "volumes": {"data": None},
        "services": {name: draw(spelled_service(facts[name])) for name in order},
    }
    return dict(draw(st.permutations(list(document.items()))))
