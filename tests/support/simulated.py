"""A container engine in memory, with the manners of the real one and faults on demand.

It runs no processes: a container's command is read by a few rules (`tests.support.pretend`), which is enough for it to
print, to end with an exit code, or to go on until somebody stops it. Time is a number that tests move.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from reconciler.errors import ActionFailed, NotFound, RuntimeUnreachable
from reconciler.runtime.model import (
    LABEL_PROJECT,
    ContainerDetails,
    ContainerEvent,
    ContainerOrder,
    EngineInfo,
    Health,
    Observed,
    ObservedContainer,
)
from reconciler.spec.desired import FileContent, NetworkSpec, Resources, SecretUse, VolumeSpec
from tests.support.pretend import Line, run
from tests.support.simulated_parts import Crashed, Fault, SimulatedContainer, identity_of, owned_by, passes, words

__all__ = ["IMAGE", "Crashed", "Fault", "SimulatedContainer", "SimulatedRuntime"]

P = ParamSpec("P")
R = TypeVar("R")
IMAGE = "localhost/simulated:1"


def verb(
    method: Callable[Concatenate[SimulatedRuntime, P], R],
) -> Callable[Concatenate[SimulatedRuntime, P], R]:
    """A verb of the engine: one at a time, recorded, and open to faults."""

    @wraps(method)
    def wrapper(self: SimulatedRuntime, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.changed:
            self.enter(method.__name__, args)
            result = method(self, *args, **kwargs)
            self.leave(method.__name__)
            return result

    return wrapper


class SimulatedRuntime:
    """The world, and the runtime that shows and changes it.

    Attributes:
        now: Unix seconds; each verb takes none.
        unreachable: whether every verb raises `RuntimeUnreachable`.
        calls: the verbs that were called, each with what it was about: `start web-1`.
        images: local images, reference to id. registry: what a pull finds.
        checks: container name to what its health check finds; healthy where nothing is said.
    """

    def __init__(self, *, now: int = 1_700_000_000) -> None:
        self.now = now
        self.unreachable = False
        self.calls: list[str] = []
        self.containers: dict[str, SimulatedContainer] = {}
        self.images: dict[str, str] = {IMAGE: identity_of("image", IMAGE)}
        self.registry: dict[str, str] = {}
        self.checks: dict[str, bool] = {}
        self.networks_made: dict[str, dict[str, str]] = {}
        self.volumes_made: dict[str, dict[str, str]] = {}
        self.secrets_made: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.told: list[ContainerEvent] = []
        self.changed = threading.Condition(threading.RLock())
        self._faults: list[Fault] = []
        self._made = 0

    def fail(self, verb: str, *, nth: int = 1, error: BaseException | None = None) -> None:
        """Have the nth next call of a verb fail, without its effect."""
        self._faults.append(Fault(verb, nth, error or ActionFailed(f"{verb} was told to fail"), "before"))

    def crash(self, verb: str, *, nth: int = 1, when: Literal["before", "after"] = "after") -> None:
        """Have the process die at the nth next call of a verb, before its effect or after it."""
        self._faults.append(Fault(verb, nth, Crashed(f"{when} {verb}"), when))

    def enter(self, verb: str, about: tuple[Any, ...]) -> None:
        """A verb begins."""
        first = about[0] if about else ""
        self.calls.append(f"{verb} {self._called(first)}".rstrip())
        if self.unreachable:
            raise RuntimeUnreachable("the simulated engine does not answer")
        for fault in self._faults:
            if fault.verb == verb:
                fault.nth -= 1
        self._strike(verb, "before")

    def leave(self, verb: str) -> None:
        """A verb has had its effect."""
        self.changed.notify_all()
        self._strike(verb, "after")

    # What happens in the world without Fleet.

    def end(self, name: str, exit_code: int, *, oom_killed: bool = False) -> None:
        """A container's process ends by itself."""
        with self.changed:
            container = self._named(name)
            container.oom_killed = oom_killed
            self._ended(container, exit_code)

    def vanish(self, name: str) -> None:
        """Somebody removes a container by force."""
        with self.changed:
            container = self._named(name)
            del self.containers[container.container_id]
            self._tell("remove", container)

    def pause(self, name: str) -> None:
        """Somebody pauses a container."""
        with self.changed:
            container = self._named(name)
            container.state = "paused"
            self._tell("pause", container)

    # The verbs.

    @verb
    def observe(self, project: str) -> Observed:
        owned = [c for c in self.containers.values() if c.order.labels.get(LABEL_PROJECT) == project]
        return Observed(containers=tuple(container.seen() for container in owned))

    @verb
    def inspect(self, container: str) -> ContainerDetails:
        found = self._there(container)
        addresses = {name: f"10.89.0.{index + 2}" for index, name in enumerate(sorted(found.networks))}
        ports = found.ports if found.state == "running" else ()
        return ContainerDetails(replace(found.seen(), oom_killed=found.oom_killed), ports, addresses)

    @verb
    def find(self, name: str) -> ObservedContainer | None:
        return next((c.seen() for c in self.containers.values() if c.name == name), None)

    @verb
    def create(self, order: ContainerOrder) -> str:
        image = self.images.get(order.image, order.image if order.image in self.images.values() else "")
        if not image:
            raise NotFound(f"could not create container {order.name}: no such image {order.image}")
        if any(c.name == order.name for c in self.containers.values()):
            raise ActionFailed(f"could not create container {order.name}: the name is in use")
        for network in order.networks:
            if network not in self.networks_made:
                raise ActionFailed(f"could not create container {order.name}: no network {network}")
        for secret in order.secrets.values():
            if secret not in self.secrets_made:
                raise ActionFailed(f"could not create container {order.name}: no secret {secret}")
        for volume in order.volumes.values():
            self.volumes_made.setdefault(volume, {})
        self._made += 1
        identity = identity_of("container", str(self._made))
        made = SimulatedContainer(identity, order, image, order.name, order.service.resources)
        for file in order.service.secrets:
            made.files[file.target] = self.secrets_made[order.secrets[file.secret]][0]
        self.containers[identity] = made
        self._tell("create", made)
        return identity

    @verb
    def start(self, container: str) -> None:
        found = self._there(container)
        if found.state in {"running", "paused"}:
            return
        found.ports = self._published(found)
        found.state, found.started_at, found.exit_code = "running", self.now, None
        found.failures, found.oom_killed = 0, False
        # As Podman 4 does: it starts with the limits that it was made with.
        found.resources = found.order.service.resources
        check = found.order.service.healthcheck
        found.health = "starting" if check is not None and check.test[:1] != ("NONE",) else ""
        self._tell("start", found)
        lines, code = run(words(found.order), self._environment(found), found.files)
        found.lines += [(self.now, line) for line in lines]
        if code is not None:
            self._ended(found, code)

    @verb
    def stop(self, container: str, grace_ms: int) -> None:
        found = self._there(container)
        if found.state in {"running", "paused"}:
            self._ended(found, 137)

    @verb
    def restart(self, container: str, grace_ms: int) -> None:
        found = self._there(container)
        if found.state in {"running", "paused"}:
            self._ended(found, 137)
        self.start.__wrapped__(self, container)  # type: ignore[attr-defined]

    @verb
    def unpause(self, container: str) -> None:
        found = self._there(container)
        if found.state != "paused":
            raise ActionFailed(f"could not unpause container {found.name}: it is not paused")
        found.state = "running"
        self._tell("unpause", found)

    @verb
    def remove(self, container: str) -> None:
        found = self._look_up(container)
        if found is None:
            return
        if found.state in {"running", "paused"}:
            raise ActionFailed(f"could not remove container {found.name}: it is running")
        del self.containers[found.container_id]
        self._tell("remove", found)

    @verb
    def rename(self, container: str, name: str) -> None:
        found = self._there(container)
        if any(c.name == name for c in self.containers.values()):
            raise ActionFailed(f"could not rename container {found.name}: {name} is in use")
        found.name = name
        self._tell("rename", found)

    @verb
    def update(self, container: str, resources: Resources) -> None:
        self._there(container).resources = resources

    @verb
    def put_file(self, container: str, file: FileContent, data: bytes) -> None:
        self._there(container).files[file.target] = data

    @verb
    def put_secret(self, name: str, value: bytes, labels: Mapping[str, str]) -> str:
        self.secrets_made.setdefault(name, (value, dict(labels)))
        return name

    @verb
    def remove_secret(self, name: str) -> None:
        self.secrets_made.pop(name, None)

    @verb
    def secrets(self, project: str) -> tuple[str, ...]:
        owned = (name for name, (_, labels) in self.secrets_made.items() if labels.get(LABEL_PROJECT) == project)
        return tuple(sorted(owned))

    @verb
    def create_network(self, network: NetworkSpec, labels: Mapping[str, str]) -> None:
        there = self.networks_made.setdefault(network.engine_name, dict(labels))
        if there.get(LABEL_PROJECT, "") != labels.get(LABEL_PROJECT):
            raise ActionFailed(f"could not create network {network.engine_name}: it belongs to somebody else")

    @verb
    def remove_network(self, engine_name: str) -> None:
        if any(engine_name in c.networks for c in self.containers.values()):
            raise ActionFailed(f"could not remove network {engine_name}: it is in use")
        self.networks_made.pop(engine_name, None)

    @verb
    def networks(self, project: str) -> tuple[str, ...]:
        return owned_by(self.networks_made, project)

    @verb
    def network_users(self, engine_name: str) -> tuple[ObservedContainer, ...]:
        return tuple(c.seen() for c in self.containers.values() if engine_name in c.networks)

    @verb
    def attach(self, container: str, engine_name: str, aliases: tuple[str, ...]) -> None:
        if engine_name not in self.networks_made:
            raise NotFound(f"could not put container {container} on network {engine_name}: no such network")
        self._there(container).networks.add(engine_name)

    @verb
    def detach(self, container: str, engine_name: str) -> None:
        if container in self.containers:
            self.containers[container].networks.discard(engine_name)

    @verb
    def network_exists(self, engine_name: str) -> bool:
        return engine_name in self.networks_made

    @verb
    def create_volume(self, volume: VolumeSpec, labels: Mapping[str, str]) -> None:
        self.volumes_made.setdefault(volume.engine_name, dict(labels))

    @verb
    def volumes(self, project: str) -> tuple[str, ...]:
        return owned_by(self.volumes_made, project)

    @verb
    def volume_exists(self, engine_name: str) -> bool:
        return engine_name in self.volumes_made

    @verb
    def volume_labels(self, engine_name: str) -> Mapping[str, str] | None:
        return self.volumes_made.get(engine_name)

    @verb
    def image_id(self, reference: str) -> str | None:
        return self.images.get(reference)

    @verb
    def pull(self, reference: str) -> str:
        if reference not in self.registry:
            raise ActionFailed(f"could not pull image {reference}: the registry cannot be reached")
        self.images[reference] = self.registry[reference]
        return self.registry[reference]

    @verb
    def build(self, reference: str, context: str, containerfile: str, args: Mapping[str, str], target: str) -> str:
        self.images[reference] = identity_of(
            "image", f"{reference}{context}{containerfile}{sorted(args.items())}{target}"
        )
        return self.images[reference]

    @verb
    def run_healthcheck(self, container: str) -> Health:
        found = self._there(container)
        check = found.order.service.healthcheck
        if check is None or check.test[:1] == ("NONE",):
            raise ActionFailed(f"could not run the health check of container {found.name}: it has none")
        if found.state != "running":
            raise ActionFailed(f"could not run the health check of container {found.name}: it does not run")
        if self.checks.get(found.name, passes(check.test)):
            found.health, found.failures = "healthy", 0
        elif self.now * 1000 >= found.started_at * 1000 + check.start_period_ms:
            found.failures += 1
            found.health = "unhealthy" if found.failures >= check.retries else found.health
        self._tell("health_status", found)
        return found.health

    @verb
    def exec(self, container: str, command: tuple[str, ...]) -> tuple[int, bytes]:
        found = self._there(container)
        if found.state != "running":
            raise ActionFailed(f"could not run {command[0]} in container {found.name}: it does not run")
        lines, code = run(command, self._environment(found), found.files)
        return code or 0, b"".join(content + b"\n" for _, content in lines)

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        follow: bool = False,
        timestamps: bool = False,
        since: int | None = None,
    ) -> Iterator[Line]:
        with self.changed:
            self.enter("logs", (container,))
            found = self._there(container)
        lines = [(time, line) for time, line in found.lines if since is None or time >= since]
        chosen = lines if tail is None else lines[len(lines) - min(tail, len(lines)) :]
        return self._followed(found, chosen, timestamps=timestamps, follow=follow)

    def events(self, project: str, since: int | None = None) -> Iterator[ContainerEvent]:
        with self.changed:
            self.enter("events", (project,))
            position = 0 if since is not None else len(self.told)
        return self._told(project, position, since or 0)

    @verb
    def info(self) -> EngineInfo:
        return EngineInfo("4.3.1", "4.3.1", "runc", "v2", "netavark", rootless=True, socket="simulated")

    def _followed(
        self, container: SimulatedContainer, lines: list[tuple[int, Line]], *, timestamps: bool, follow: bool
    ) -> Iterator[Line]:
        position = len(container.lines)
        for time, (source, content) in lines:
            yield source, (f"{time} ".encode() if timestamps else b"") + content
        while follow and container.state == "running":
            with self.changed:
                self.changed.wait(0.05)
            for _, line in container.lines[position:]:
                position += 1
                yield line

    def _told(self, project: str, position: int, since: int) -> Iterator[ContainerEvent]:
        while not self.unreachable:
            with self.changed:
                if position == len(self.told):
                    self.changed.wait(0.05)
                    continue
                event = self.told[position]
            position += 1
            if event.time >= since and event.labels.get(LABEL_PROJECT) == project:
                yield event

    def _strike(self, verb: str, when: str) -> None:
        for fault in self._faults:
            if fault.verb == verb and fault.when == when and fault.nth <= 0:
                self._faults.remove(fault)
                raise fault.error

    def _called(self, about: Any) -> str:
        found = self.containers.get(about) if isinstance(about, str) else None
        return found.name if found else getattr(about, "engine_name", getattr(about, "name", about))

    def _look_up(self, container: str) -> SimulatedContainer | None:
        found = self.containers.get(container)
        return found or next((c for c in self.containers.values() if c.name == container), None)

    def _named(self, name: str) -> SimulatedContainer:
        return self._there(name)

    def _there(self, container: str) -> SimulatedContainer:
        found = self._look_up(container)
        if found is None:
            raise NotFound(f"there is no container {container}")
        return found

    def _ended(self, container: SimulatedContainer, exit_code: int) -> None:
        container.state, container.exit_code, container.exited_at = "exited", exit_code, self.now
        self._tell("died", container)

    def _tell(self, action: str, container: SimulatedContainer) -> None:
        self.told.append(
            ContainerEvent(action, container.container_id, container.name, dict(container.order.labels), self.now)
        )
        self.changed.notify_all()

    def _environment(self, container: SimulatedContainer) -> dict[str, str]:
        order = container.order
        environment = dict(order.env_file_values)
        for name, value in order.service.environment.items():
            if isinstance(value, SecretUse):
                environment[name] = self.secrets_made[order.secrets[value.secret]][0].decode()
            else:
                environment[name] = value
        return environment

    def _published(self, container: SimulatedContainer) -> tuple[tuple[str, int, int, str], ...]:
        taken = {
            (port[1], port[3]) for other in self.containers.values() if other.state == "running" for port in other.ports
        }
        published = []
        for port in container.order.service.ports:
            host_port = port.host_port or next(n for n in range(40_000, 65_536) if (n, port.protocol) not in taken)
            if (host_port, port.protocol) in taken:
                raise ActionFailed(f"could not start container {container.name}: port {host_port} is in use")
            taken.add((host_port, port.protocol))
            published.append((port.host_ip, host_port, port.container_port, port.protocol))
        return tuple(published)
