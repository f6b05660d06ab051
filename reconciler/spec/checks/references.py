"""What one part of the file says of another by name: does it exist, and can it be as it is said?"""

from __future__ import annotations

from reconciler.spec.checks.draft import Draft
from reconciler.spec.desired import SecretUse
from reconciler.spec.reading import Reading
from reconciler.spec.shape.lifecycle import is_job_policy
from reconciler.spec.shape.service import ServiceDraft
from reconciler.spec.tree import child

_SECTIONS = {
    "service": "services",
    "specialist": "specialists",
    "mission": "missions",
    "network": "networks",
    "volume": "volumes",
    "handler": "handlers",
}


def check_references(draft: Draft, reading: Reading) -> None:
    """Report names of volumes, secrets, networks, handlers and services that nothing bears."""
    for service in draft.services.values():
        _check_service(service, draft, reading)
    for name, handler in draft.handlers.items():
        for key, wanted in (("restart", handler.restart), ("service", handler.service)):
            if wanted:
                at, path = draft.place("handlers", name, key), f"{child('handlers', name)}.{key}"
                reading.expect("service", wanted, draft.declared["services"], at, path)
    for index, sink in enumerate(draft.notifications):
        if sink.webhook_secret:
            at, path = draft.place("notifications"), f"{child('notifications', index)}.webhook"
            reading.expect("secret", sink.webhook_secret, draft.declared["secrets"], at, path)
    _check_moves(draft, reading)


def _check_service(service: ServiceDraft, draft: Draft, reading: Reading) -> None:
    declared, path = draft.declared, service.path
    for placed in service.placed:
        if placed.what == "a mount" and placed.value.kind == "volume" and placed.value.source not in draft.volumes:
            name = placed.value.source
            hint = f"declare it: volumes: {{{name}: }}"
            reading.expect("volume", name, declared["volumes"], placed.at, placed.path, hint)
        if placed.what == "a secret":
            reading.expect("secret", placed.value.secret, declared["secrets"], placed.at, placed.path)
    for name, value in service.spec.environment.items():
        if isinstance(value, SecretUse):
            keys = (
                ("password",)
                if service.has("password") and not service.has("environment", name)
                else ("environment", name)
            )
            below = child(f"{path}.{keys[0]}", name) if len(keys) > 1 else f"{path}.password"
            reading.expect("secret", value.secret, declared["secrets"], service.at(*keys), below)
    for use in service.spec.networks:
        if use.network not in draft.networks:
            hint = f"declare it: networks: {{{use.network}: }}"
            at, below = service.at("networks"), f"{path}.networks"
            reading.expect("network", use.network, declared["networks"], at, below, hint)
    for name in service.spec.notify:
        reading.expect("handler", name, declared["handlers"], service.at("notify"), f"{path}.notify")


def check_dependencies(draft: Draft, reading: Reading) -> None:
    """Report what services wait for and that can never come."""
    for service in draft.active().values():
        for name, gate in service.spec.depends_on.items():
            at, path = service.at("depends_on", name), child(f"{service.path}.depends_on", name)
            other = draft.services.get(name)
            if other is None:
                reading.expect("service", name, draft.declared["services"], at, path)
            elif not other.active:
                hint = f"--profile {other.spec.profiles[0]}" if other.spec.profiles else ""
                reading.wrong(at, path, f"{name} takes part only when one of its profiles is active", hint)
            elif gate == "completed" and other.spec.kind != "job" and not is_job_policy(other.spec.restart.policy):
                hint = f"write job: true in {name}, or wait for healthy"
                reading.wrong(at, path, f"{name} does not end, so that this would wait for ever", hint)
            elif gate == "healthy" and other.spec.kind == "job":
                reading.wrong(at, path, f"{name} is a job, which is completed, not healthy", "write completed")
            elif gate == "healthy" and other.spec.healthcheck is None and not other.has("healthcheck"):
                message = f"{name} has no healthcheck here, so that this waits for the one of its image"
                reading.warn(at, path, message)
            elif gate == "healthy" and other.spec.healthcheck is not None and other.spec.healthcheck.test == ("NONE",):
                reading.wrong(at, path, f"{name} has its health check disabled, so that this would wait for ever")


def _check_moves(draft: Draft, reading: Reading) -> None:
    goals: dict[str, str] = {}
    for old, new in draft.moved.items():
        at, path = draft.place("moved", old), child("moved", old)
        old_kind, _, old_name = old.partition("/")
        kind, _, name = new.partition("/")
        if kind != old_kind:
            reading.wrong(at, path, f"a {old_kind} cannot become a {kind}")
        else:
            reading.expect(kind, name, draft.declared[_SECTIONS[kind]], at, path)
        if old_name in draft.declared[_SECTIONS[old_kind]]:
            reading.wrong(at, path, f"{old} is still in the file, so that it has not moved")
        first = goals.setdefault(new, old)
        if first != old:
            reading.wrong(at, path, f"{new} takes the place of {first} already")
