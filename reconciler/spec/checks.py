"""Checks that need the whole fleet: references, cycles, host ports, names in the engine, and what needs an allowance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.spec.desired import (
    Handler,
    MissionSpec,
    NetworkSpec,
    Notification,
    SecretUse,
    SpecialistSpec,
    VolumeSpec,
)
from reconciler.spec.problems import did_you_mean
from reconciler.spec.reading import Reading
from reconciler.spec.shape.lifecycle import is_job_policy
from reconciler.spec.shape.ports import check_host_ports
from reconciler.spec.shape.service import ServiceDraft
from reconciler.spec.tree import Entry, Node, child, quoted
from reconciler.spec.tree import Mapping as Tree

ENGINE_SOCKETS = (
    "/run/podman/podman.sock",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/var/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
)
_SOCKET_NAMES = frozenset({"podman.sock", "docker.sock", "containerd.sock", "crio.sock"})


@dataclass(slots=True)
class Draft:
    """The fleet as far as it could be read, with the tree it came from.

    Attributes:
        declared: for each section the names that are in the file, readable or not.
    """

    root: Tree
    services: dict[str, ServiceDraft]
    networks: dict[str, NetworkSpec]
    volumes: dict[str, VolumeSpec]
    handlers: dict[str, Handler]
    specialists: dict[str, SpecialistSpec]
    missions: dict[str, MissionSpec]
    notifications: tuple[Notification, ...]
    moved: dict[str, str]
    declared: dict[str, set[str]] = field(default_factory=dict)

    def place(self, *keys: str) -> Node | Entry:
        """The place of a key of the file; of the nearest one above it where it is not there."""
        place: Node | Entry = self.root
        for key in keys:
            node = place.value if isinstance(place, Entry) else place
            if not isinstance(node, Tree) or key not in node.entries:
                return place
            place = node.entries[key]
        return place


def check_fleet(draft: Draft, reading: Reading) -> None:
    """Report everything about the whole that is wrong."""
    active = {name: service for name, service in draft.services.items() if service.active}
    for service in draft.services.values():
        _check_allowances(service, reading)
        _check_references(service, draft, reading)
    for service in active.values():
        _check_dependencies(service, draft, reading)
    _check_cycles(
        {name: list(service.spec.depends_on) for name, service in active.items()},
        lambda name, other: (active[name].at("depends_on", other), f"{active[name].path}.depends_on"),
        "services depend on each other in a circle",
        reading,
    )
    check_host_ports(
        {
            name: (service.spec.ports, service.spec.replicas, _value(service.at("ports")))
            for name, service in active.items()
        },
        reading,
    )
    _check_engine_names(draft, active, reading)
    _check_handlers(draft, reading)
    _check_moves(draft, reading)
    _check_notifications(draft, reading)
    _check_work(draft, reading)


def _value(place: Node | Entry) -> Node:
    return place.value if isinstance(place, Entry) else place


def _unknown(
    name: str, known: Iterable[str], what: str, at: Node | Entry, path: str, reading: Reading, hint: str = ""
) -> None:
    """Report a name that nothing bears, unless a file that might define it could not be read."""
    if not reading.problems.incomplete:
        reading.wrong(at, path, f"there is no {what} {quoted(name)}", did_you_mean(name, known) or hint)


# What needs to be allowed


def _check_allowances(service: ServiceDraft, reading: Reading) -> None:
    spec = service.spec
    needed: list[tuple[str, Node | Entry, str, str]] = []
    if spec.privileged:
        needed.append(
            (
                "privileged",
                service.at("privileged"),
                "privileged",
                "a privileged container can do all that this machine can",
            )
        )
    for allowance, key, used in (
        ("host-network", "network_mode", spec.network_mode == "host"),
        ("host-pid", "pid", spec.pid_mode == "host"),
        ("host-ipc", "ipc", spec.ipc_mode == "host"),
    ):
        if used:
            needed.append(
                (allowance, service.at(key), key, "this shares a namespace of this machine with the container")
            )
    for _, value, node, path in service.placed:
        allowance = _mount_allowance(value, reading)
        if allowance:
            what = "all files of this machine" if allowance == "host-root" else "control of every container here"
            needed.append(
                (allowance, node, path.removeprefix(service.path + "."), f"this mount gives the container {what}")
            )
    for allowance, at, key, message in needed:
        if allowance not in spec.allow:
            reading.wrong(
                at,
                child(service.path, key) if "[" not in key else f"{service.path}.{key}",
                message,
                f"if that is meant, write allow: [{allowance}]",
            )
    for allowance in spec.allow:
        if allowance not in {one for one, *_ in needed}:
            reading.warn(service.at("allow"), f"{service.path}.allow", f"{allowance} is allowed and nothing needs it")


def _mount_allowance(value: Any, reading: Reading) -> str:
    """What a bind needs to be allowed for: the root of this machine, or an engine's socket (or a folder above one)."""
    if getattr(value, "kind", "") != "bind":
        return ""
    real = reading.inputs.link(value.source)
    if "/" in (real, value.source):
        return "host-root"
    for path in {real, value.source}:
        above = path.rstrip("/") + "/"
        if any(socket == path or socket.startswith(above) for socket in ENGINE_SOCKETS):
            return "engine-socket"
        if path.rpartition("/")[2] in _SOCKET_NAMES or path.startswith("/run/user"):
            return "engine-socket" if path.rpartition("/")[2] in _SOCKET_NAMES or path.count("/") <= 3 else ""
    return ""


# References


def _check_references(service: ServiceDraft, draft: Draft, reading: Reading) -> None:
    spec, path = service.spec, service.path
    for what, value, node, below in service.placed:
        if what == "a mount" and value.kind == "volume" and value.source not in draft.volumes:
            if value.source not in draft.declared["volumes"]:
                _unknown(
                    value.source,
                    draft.declared["volumes"],
                    "volume",
                    node,
                    below,
                    reading,
                    f"declare it: volumes: {{{value.source}: }}",
                )
        if what == "a secret" and value.secret not in draft.declared["secrets"]:
            _unknown(
                value.secret, draft.declared["secrets"], "secret", node, below, reading, "declare it under secrets:"
            )
    for name, value in spec.environment.items():
        if isinstance(value, SecretUse) and value.secret not in draft.declared["secrets"]:
            key = (
                "environment"
                if "environment" in _entries(service.entry)
                and service.at("environment", name) is not service.at("environment")
                else "password"
            )
            at = service.at("environment", name) if key == "environment" else service.at("password")
            below = child(f"{path}.environment", name) if key == "environment" else f"{path}.password"
            _unknown(value.secret, draft.declared["secrets"], "secret", at, below, reading, "declare it under secrets:")
    for use in spec.networks:
        if use.network not in draft.networks and use.network not in draft.declared["networks"]:
            _unknown(
                use.network,
                draft.declared["networks"],
                "network",
                service.at("networks"),
                f"{path}.networks",
                reading,
                f"declare it: networks: {{{use.network}: }}",
            )
    for name in spec.notify:
        if name not in draft.declared["handlers"]:
            _unknown(
                name,
                draft.declared["handlers"],
                "handler",
                service.at("notify"),
                f"{path}.notify",
                reading,
                "declare it under handlers:",
            )


def _entries(entry: Entry) -> dict[str, Entry]:
    return entry.value.entries if isinstance(entry.value, Tree) else {}


def _check_dependencies(service: ServiceDraft, draft: Draft, reading: Reading) -> None:
    for name, gate in service.spec.depends_on.items():
        at = service.at("depends_on", name)
        path = child(f"{service.path}.depends_on", name)
        other = draft.services.get(name)
        if other is None:
            if name not in draft.declared["services"]:
                _unknown(name, draft.declared["services"], "service", at, path, reading)
        elif not other.active:
            profiles = ", ".join(other.spec.profiles)
            reading.wrong(at, path, f"{name} takes part only with its profiles", f"--profile {profiles}")
        elif gate == "completed" and other.spec.kind != "job" and not is_job_policy(other.spec.restart.policy):
            reading.wrong(
                at,
                path,
                f"{name} does not end, so that this waits for ever",
                f"write job: true in {name}, or wait for healthy",
            )
        elif gate == "healthy" and other.spec.kind == "job":
            reading.wrong(at, path, f"{name} is a job, which is completed, not healthy", "write completed")
        elif gate == "healthy" and _has_no_check(other):
            reading.warn(at, path, f"{name} has no healthcheck here, so that this waits for the one of its image")


def _has_no_check(service: ServiceDraft) -> bool:
    return service.spec.healthcheck is None and "healthcheck" not in _entries(service.entry)


def _check_cycles(graph: dict[str, list[str]], place: Any, message: str, reading: Reading) -> None:
    """Report one cycle of every group of names that depend on each other, named in full, at its first edge."""
    for cycle in cycles(graph):
        at, path = place(cycle[0], cycle[1])
        reading.wrong(at, path, f"{message}: {' → '.join(cycle)}")


def cycles(graph: Mapping[str, list[str]]) -> list[list[str]]:
    """One shortest cycle of every strongly connected group, from its first name back to it; no recursion."""
    found = []
    for group in _connected(graph):
        first = min(group)
        came_from: dict[str, str] = {}
        queue = [first]
        while queue and first not in came_from:
            name = queue.pop(0)
            for other in sorted(graph[name]):
                if other in group and other not in came_from:
                    came_from[other] = name
                    queue.append(other)
        steps = [first]
        at = came_from[first]
        while at != first:
            steps.append(at)
            at = came_from[at]
        found.append([first, *reversed(steps[1:]), first])
    return sorted(found)


def _connected(graph: Mapping[str, list[str]]) -> list[set[str]]:
    """Strongly connected groups with a cycle in them (Tarjan, with a stack of its own)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_stack: dict[str, None] = {}
    groups = []
    for start in sorted(graph):
        if start in index:
            continue
        work = [(start, iter(sorted(graph[start])))]
        index[start] = low[start] = len(index)
        on_stack[start] = None
        while work:
            name, others = work[-1]
            for other in others:
                if other not in graph:
                    continue
                if other not in index:
                    index[other] = low[other] = len(index)
                    on_stack[other] = None
                    work.append((other, iter(sorted(graph[other]))))
                    break
                if other in on_stack:
                    low[name] = min(low[name], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    group = set()
                    while name not in group:
                        group.add(on_stack.popitem()[0])
                    if len(group) > 1 or name in graph[name]:
                        groups.append(group)
    return groups


# Names in the engine


def _check_engine_names(draft: Draft, active: dict[str, ServiceDraft], reading: Reading) -> None:
    taken: dict[str, str] = {}
    for name, service in active.items():
        for container in _container_names(service, reading.fleet):
            other = taken.setdefault(container, name)
            if other != name:
                at = service.at("container_name")
                hint = "give one of them another container_name"
                reading.wrong(
                    at,
                    f"{service.path}.container_name",
                    f"the container {quoted(container)} belongs to {other} already",
                    hint,
                )
                break
    for section, specs in (("volumes", draft.volumes), ("networks", draft.networks)):
        owners: dict[str, str] = {}
        for name, spec in specs.items():
            other = owners.setdefault(spec.engine_name, name)
            if other != name:
                at = draft.place(section, name, "name")
                reading.wrong(at, child(section, name), f"{quoted(spec.engine_name)} is the name of {other} already")


def _container_names(service: ServiceDraft, fleet: str) -> list[str]:
    """The engine's names of a service's containers."""
    spec = service.spec
    base = spec.container_name or f"{fleet}-{spec.name}"
    if spec.container_name and spec.replicas <= 1:
        return [base]
    return [f"{base}-{replica}" for replica in range(1, spec.replicas + 1)]


# Handlers, moves, notifications


def _check_handlers(draft: Draft, reading: Reading) -> None:
    for name, handler in draft.handlers.items():
        for key, service in (("restart", handler.restart), ("service", handler.service)):
            if service and service not in draft.declared["services"]:
                at = draft.place("handlers", name, key)
                _unknown(service, draft.declared["services"], "service", at, f"handlers.{name}.{key}", reading)


_SECTIONS = {
    "service": "services",
    "specialist": "specialists",
    "mission": "missions",
    "network": "networks",
    "volume": "volumes",
    "handler": "handlers",
}


def _check_moves(draft: Draft, reading: Reading) -> None:
    for old, new in draft.moved.items():
        at, path = draft.place("moved", old), child("moved", old)
        kind, _, name = new.partition("/")
        old_kind, _, old_name = old.partition("/")
        if kind != old_kind:
            reading.wrong(at, path, f"a {old_kind} cannot become a {kind}")
        elif name not in draft.declared[_SECTIONS[kind]]:
            _unknown(name, draft.declared[_SECTIONS[kind]], kind, at, path, reading)
        if old_name in draft.declared[_SECTIONS[old_kind]]:
            reading.wrong(at, path, f"{old} is still in the file, so that it has not moved")
    goals: dict[str, str] = {}
    for old, new in draft.moved.items():
        first = goals.setdefault(new, old)
        if first != old:
            reading.wrong(draft.place("moved", old), child("moved", old), f"{new} takes the place of {first} already")


def _check_notifications(draft: Draft, reading: Reading) -> None:
    for index, sink in enumerate(draft.notifications):
        if sink.webhook_secret and sink.webhook_secret not in draft.declared["secrets"]:
            path = f"{child('notifications', index)}.webhook"
            known = draft.declared["secrets"]
            _unknown(sink.webhook_secret, known, "secret", draft.place("notifications"), path, reading)


# Specialists and missions


def _check_work(draft: Draft, reading: Reading) -> None:
    for name, worker in draft.specialists.items():
        for variable, value in worker.environment.items():
            if isinstance(value, SecretUse) and value.secret not in draft.declared["secrets"]:
                at = draft.place("specialists", name, "environment", variable)
                path = child(f"specialists.{name}.environment", variable)
                _unknown(value.secret, draft.declared["secrets"], "secret", at, path, reading)
    abilities = {ability for worker in draft.specialists.values() for ability in worker.capabilities}
    for name, mission in draft.missions.items():
        _check_mission(name, mission, abilities, draft, reading)


def _check_mission(name: str, mission: MissionSpec, abilities: set[str], draft: Draft, reading: Reading) -> None:
    names = draft.place("missions", name, "sorties")
    known = set(_entries(names)) if isinstance(names, Entry) else set()
    for sortie_name, sortie in mission.sorties.items():
        keys = ("missions", name, "sorties", sortie_name)
        path = ".".join(keys)
        for other in sortie.depends_on:
            if other not in known:
                at = draft.place(*keys, "depends_on")
                _unknown(
                    other,
                    known,
                    "sortie",
                    at,
                    f"{path}.depends_on",
                    reading,
                    "sorties depend on sorties of their mission",
                )
        for ability in sortie.requires:
            if draft.specialists and ability not in abilities:
                hint = did_you_mean(ability, abilities)
                reading.warn(
                    draft.place(*keys, "requires"),
                    f"{path}.requires",
                    f"no specialist has the capability {quoted(ability)}",
                    hint,
                )
        if sortie.assigned_to:
            _check_person(sortie.assigned_to, draft.place(*keys, "assigned_to"), f"{path}.assigned_to", draft, reading)
        if sortie.review is not None and sortie.review.by:
            _check_person(sortie.review.by, draft.place(*keys, "review", "by"), f"{path}.review.by", draft, reading)
        if sortie.when == "failure" and not sortie.depends_on:
            reading.wrong(
                draft.place(*keys, "when"),
                f"{path}.when",
                "this runs when a sortie before it fails, and none is before it",
                "add depends_on:",
            )
    _check_cycles(
        {sortie: list(spec.depends_on) for sortie, spec in mission.sorties.items()},
        lambda one, _: (
            draft.place("missions", name, "sorties", one, "depends_on"),
            f"missions.{name}.sorties.{one}.depends_on",
        ),
        "sorties depend on each other in a circle",
        reading,
    )


def _check_person(name: str, at: Node | Entry, path: str, draft: Draft, reading: Reading) -> None:
    """Workers may also register themselves and reviewers be people, so that a name nobody bears is no error."""
    known = draft.declared["specialists"]
    if known and name not in known:
        reading.warn(at, path, f"no specialist of this file is called {quoted(name)}", did_you_mean(name, known))
