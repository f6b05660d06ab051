"""Preflight: everything that can be known to go wrong, asked before the first container is touched.

Problems are found all at once and told together. Each belongs to an action, which then fails without having been tried;
what does not depend on it goes on.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.apply.means import Means
from reconciler.apply.networks import in_the_way, strangers
from reconciler.apply.orders import file_bytes, used_secrets
from reconciler.apply.owned import name_taken, volume_taken
from reconciler.errors import FleetError, RuntimeUnreachable
from reconciler.plan.model import (
    AnyAction,
    BuildImage,
    CreateContainer,
    CreateVolume,
    Plan,
    PullImage,
    RemoveContainer,
    ReplaceContainer,
    ReplaceNetwork,
    ReplaceProcess,
    RestartContainer,
    StartProcess,
    StopContainer,
)
from reconciler.runtime.model import LABEL_PROJECT
from reconciler.spec.desired import PortMapping, ServiceSpec

Making = CreateContainer | ReplaceContainer
_ENDING = (ReplaceContainer, RemoveContainer, StopContainer, RestartContainer)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an action cannot work."""

    action_id: str
    text: str


def preflight(
    plan: Plan, means: Means, ask_all: Callable[[Iterable[Callable[[], list[Obstacle]]]], Iterable[list[Obstacle]]]
) -> list[Obstacle]:
    """What stands in the way of a plan, in the plan's order. Changes nothing.

    Args:
        ask_all: calls functions side by side and gives their answers in order.

    Raises:
        RuntimeUnreachable: it cannot be looked.
    """
    brought = {action.image for action in plan.actions if isinstance(action, PullImage | BuildImage)}
    leaving = _ports_of(means, (action.container_id for action in plan.actions if isinstance(action, _ENDING)))
    making = [action for action in plan.actions if isinstance(action, Making)]
    answers = ask_all(
        [lambda action=action: _guarded(means, action, brought, leaving) for action in making]  # type: ignore[misc]
    )
    first = [*_volumes(plan, means)]
    first += [
        obstacle for action in plan.actions if isinstance(action, ReplaceNetwork) for obstacle in _on(means, action)
    ]
    first += [obstacle for action in plan.actions for obstacle in _of_process(means, action)]
    return [*first, *(obstacle for answer in answers for obstacle in answer)]


def _of_process(means: Means, action: AnyAction) -> Iterator[Obstacle]:
    if isinstance(action, StartProcess | ReplaceProcess):
        from reconciler.apply.processes import obstacles

        for text in obstacles(means, action):
            yield Obstacle(action.id, means.mask(text))


def _volumes(plan: Plan, means: Means) -> Iterator[Obstacle]:
    """Volumes of others that are about to be taken for ours."""
    for action in plan.actions:
        taken = volume_taken(means, action.volume) if isinstance(action, CreateVolume) else None
        if taken is not None:
            yield Obstacle(action.id, _with_hint(taken))


def _on(means: Means, action: ReplaceNetwork) -> Iterator[Obstacle]:
    """Containers of others on a network that is to be made anew."""
    others = strangers(means, action.old.engine_name)
    if others:
        yield Obstacle(action.id, in_the_way(action.old.engine_name, others))


def port_is_free(port: PortMapping) -> bool:
    """Whether a server could listen there now; True where that cannot be told."""
    if not port.host_port or port.protocol == "sctp":
        return True
    family = socket.AF_INET6 if ":" in port.host_ip else socket.AF_INET
    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if port.protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host_ip, port.host_port))
        except OSError as error:
            return error.errno not in (errno.EADDRINUSE,)
    return True


def _guarded(means: Means, action: Making, brought: set[str], leaving: set[tuple[int, str]]) -> list[Obstacle]:
    return [Obstacle(action.id, means.mask(text)) for text in _texts(means, action, brought, leaving)]


def _texts(means: Means, action: Making, brought: set[str], leaving: set[tuple[int, str]]) -> Iterator[str]:
    try:
        spec = means.service(action.service)
    except FleetError as error:
        yield error.what
        return
    checks: list[Callable[[], object]] = [lambda: _image(means, spec, brought)]
    checks += [lambda name=name: means.secret(name) for name in used_secrets(spec)]  # type: ignore[misc]
    checks += [lambda: means.env_files(spec)] if spec.env_files else []
    checks += [lambda file=file: file_bytes(file) for file in spec.configs]  # type: ignore[misc]
    for check in checks:
        try:
            check()
        except RuntimeUnreachable:
            # Nothing stands in the way that is known of; nothing is known.
            raise
        except FleetError as error:
            yield error.what
    yield from _external(means, spec)
    for mount in spec.mounts:
        if mount.kind == "bind" and not Path(mount.source).exists():
            yield f"the mount {mount.source} of service/{action.service} does not exist"
    for port in spec.ports:
        if (port.host_port, port.protocol) not in leaving and not port_is_free(port):
            yield f"port {port.host_port} of service/{action.service} is in use on this machine"
    if isinstance(action, CreateContainer):
        yield from _name(means, action.name)


def _image(means: Means, spec: ServiceSpec, brought: set[str]) -> None:
    if spec.image not in brought:
        means.image_id(spec.image)


def _external(means: Means, spec: ServiceSpec) -> Iterator[str]:
    """Networks and volumes that are somebody else's to make."""
    for use in spec.networks:
        network = means.desired.networks[use.network]
        if network.external and not means.runtime.network_exists(network.engine_name):
            yield f"the external network {network.engine_name} does not exist"
    for mount in spec.mounts:
        volume = means.desired.volumes[mount.source] if mount.kind == "volume" else None
        if volume is not None and volume.external and not means.runtime.volume_exists(volume.engine_name):
            yield f"the external volume {volume.engine_name} does not exist"
        taken = volume_taken(means, volume) if volume is not None else None
        if taken is not None:
            yield _with_hint(taken)


def _name(means: Means, name: str) -> Iterator[str]:
    holder = means.runtime.find(name)
    if holder is None or holder.labels.get(LABEL_PROJECT) == means.desired.project:
        return
    if means.recorded(holder.container_id) is None:
        yield _with_hint(name_taken(holder))


def _with_hint(error: FleetError) -> str:
    return f"{error.what} ({error.hint})"


def _ports_of(means: Means, container_ids: Iterable[str]) -> set[tuple[int, str]]:
    """Host ports that containers hold which this plan stops: those become free in time."""
    ports: set[tuple[int, str]] = set()
    for container_id in container_ids:
        known = means.recorded(container_id)
        definition = means.definition(known.digest) if known is not None else None
        if definition is not None:
            ports |= {(port.host_port, port.protocol) for port in definition.ports}
    return ports


def obstacles_by_action(plan: Plan, obstacles: Iterable[Obstacle]) -> dict[str, str]:
    """One text for each action that something stands in the way of."""
    texts: dict[str, list[str]] = {}
    for obstacle in obstacles:
        texts.setdefault(obstacle.action_id, []).append(obstacle.text)
    return {action.id: "; ".join(texts[action.id]) for action in _with(plan.actions, texts)}


def _with(actions: Iterable[AnyAction], texts: dict[str, list[str]]) -> Iterator[AnyAction]:
    return (action for action in actions if action.id in texts)
