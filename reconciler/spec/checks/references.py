"""What one part of the file says of another by name: does it exist, and can it be as it is said?"""

from __future__ import annotations

from functools import partial

from reconciler.spec.checks.draft import Draft
from reconciler.spec.desired import Gate, SecretUse
from reconciler.spec.reading import Reading
from reconciler.spec.shape.lifecycle import is_job_policy
from reconciler.spec.shape.names import spot
from reconciler.spec.shape.service import ServiceDraft
from reconciler.spec.tree import Placed

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
        _check_files(service, draft, reading)
        _check_names(service, draft, reading)
    for name, handler in draft.handlers.items():
        for key, wanted in (("restart", handler.restart), ("service", handler.service)):
            if wanted:
                reading.expect(
                    partial(draft.spot, "handlers", name, key), "service", wanted, draft.declared["services"]
                )
    for sink, node, path in draft.notifications:
        if sink.webhook_secret:
            at = partial(spot, node, path, "webhook", "secret")
            reading.expect(at, "secret", sink.webhook_secret, draft.declared["secrets"])
    _check_moves(draft, reading)


def _check_files(service: ServiceDraft, draft: Draft, reading: Reading) -> None:
    declared = draft.declared
    for placed in service.placed:
        if placed.what == "a mount" and placed.value.kind == "volume" and placed.value.source not in draft.volumes:
            name = placed.value.source
            hint = f"declare it: volumes: {{{name}: }}"
            reading.expect(placed.spot, "volume", name, declared["volumes"], hint)
        if placed.what == "a secret":
            reading.expect(placed.spot, "secret", placed.value.secret, declared["secrets"])
    for name, value in service.spec.environment.items():
        if isinstance(value, SecretUse):
            reading.expect(partial(_secret_spot, service, name), "secret", value.secret, declared["secrets"])


def _secret_spot(service: ServiceDraft, name: str) -> tuple[Placed, str]:
    """Where a variable that is a secret stands: a provider may have made it from its password."""
    from_provider = service.has("password") and not service.has("environment", name)
    return service.spot("password") if from_provider else service.spot("environment", name)


def _check_names(service: ServiceDraft, draft: Draft, reading: Reading) -> None:
    declared = draft.declared
    for use in service.spec.networks:
        if use.network not in draft.networks:
            hint = f"declare it: networks: {{{use.network}: }}"
            reading.expect(
                partial(service.spot, "networks", use.network), "network", use.network, declared["networks"], hint
            )
    for name in service.spec.notify:
        reading.expect(partial(service.spot, "notify", name), "handler", name, declared["handlers"])


def check_dependencies(draft: Draft, reading: Reading) -> None:
    """Report what services wait for and that can never come."""
    for service in draft.active().values():
        for name, gate in service.spec.depends_on.items():
            at = partial(service.spot, "depends_on", name)
            other = draft.services.get(name)
            if other is None:
                reading.expect(at, "service", name, draft.declared["services"])
                continue
            wrong, hint = _never(name, gate, other)
            if wrong:
                reading.wrong(*at(), wrong, hint)
            elif gate == "healthy" and other.spec.healthcheck is None and not other.has("healthcheck"):
                message = f"{name} has no healthcheck here, so that this waits for the one of its image"
                reading.warn(*at(), message)


def _never(name: str, gate: Gate, other: ServiceDraft) -> tuple[str, str]:
    """Why a gate of another service can never open, and what to write instead; empty when it can."""
    spec = other.spec
    if not other.active:
        hint = f"--profile {spec.profiles[0]}" if spec.profiles else ""
        return f"{name} takes part only when one of its profiles is active", hint
    if gate == "completed" and spec.kind != "job" and not is_job_policy(spec.restart.policy):
        hint = f"write job: true in {name}, or wait for healthy"
        return f"{name} does not end, so that this would wait for ever", hint
    if gate == "healthy" and spec.kind == "job":
        return f"{name} is a job, which is completed, not healthy", "write completed"
    if gate == "healthy" and spec.healthcheck is not None and spec.healthcheck.test == ("NONE",):
        return f"{name} has its health check disabled, so that this would wait for ever", ""
    return "", ""


def _check_moves(draft: Draft, reading: Reading) -> None:
    goals: dict[str, str] = {}
    for old, new in draft.moved.items():
        at, path = draft.spot("moved", old)
        old_kind, _, old_name = old.partition("/")
        kind, _, name = new.partition("/")
        if kind != old_kind:
            reading.wrong(at, path, f"a {old_kind} cannot become a {kind}")
        else:
            reading.expect(partial(draft.spot, "moved", old), kind, name, draft.declared[_SECTIONS[kind]])
        if old_name in draft.declared[_SECTIONS[old_kind]]:
            reading.wrong(at, path, f"{old} is still in the file, so that it has not moved")
        first = goals.setdefault(new, old)
        if first != old:
            reading.wrong(at, path, f"{new} takes the place of {first} already")
