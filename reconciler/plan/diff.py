"""The difference between what is wanted and what the log says there is, as a plan. A pure function."""

from __future__ import annotations

from reconciler.plan.model import (
    AnyAction,
    Basis,
    Counts,
    CreateContainer,
    DefineService,
    ForgetService,
    Need,
    Plan,
    PlanOptions,
    PullImage,
    Reason,
    RemoveContainer,
    ReplaceContainer,
    StartContainer,
    Unchanged,
)
from reconciler.plan.naming import container_name
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired, to_document
from reconciler.spec.roles import definition_digest, digest_of

_EVERYTHING = PlanOptions()
_DECLARED = Reason("declared", "new in the file")


def diff(desired: Desired, projected: Projected, options: PlanOptions = _EVERYTHING) -> Plan:
    """What has to be done so that `projected` becomes `desired`. Same input, same plan, byte for byte."""
    actions: list[AnyAction] = []
    unchanged: list[Unchanged] = []
    for name in sorted(desired.services):
        spec = desired.services[name]
        resource = f"service/{name}"
        digest = definition_digest(spec)
        known = projected.services.get(name)
        needs: tuple[Need, ...] = ()
        if known is None or known.document != to_document(spec):
            actions.append(
                DefineService(
                    id=f"define {resource}", resource=resource, reason=_DECLARED, definition=spec, digest=digest
                )
            )
            needs = (Need(f"define {resource}"),)
        gates = tuple(Need("", on, gate) for on, gate in spec.depends_on.items())
        held = {one.replica: one for one in projected.containers.get(name, ()) if not one.second}
        for replica in range(1, spec.replicas + 1):
            address = f"{resource}/{replica}"
            engine_name = container_name(desired.name, spec, replica)
            container = held.pop(replica, None)
            if container is None or container.state == "missing":
                pull = f"pull {spec.image}"
                if not any(one.id == pull for one in actions):
                    actions.append(
                        PullImage(
                            id=pull,
                            resource=resource,
                            reason=Reason("needed_by", resource),
                            image=spec.image,
                            policy=spec.pull,
                        )
                    )
                actions.append(
                    CreateContainer(
                        id=f"create {address}",
                        resource=resource,
                        reason=_DECLARED,
                        needs=(*needs, Need(pull), *gates),
                        service=name,
                        replica=replica,
                        name=engine_name,
                        digest=digest,
                    )
                )
            elif container.digest != digest:
                actions.append(
                    ReplaceContainer(
                        id=f"replace {address}",
                        resource=resource,
                        reason=Reason("definition_changed", "the definition changed"),
                        needs=(*needs, *gates),
                        service=name,
                        replica=replica,
                        container_id=container.container_id,
                        name=engine_name,
                        digest=digest,
                        old_digest=container.digest,
                        old_name=container.name,
                        grace_ms=spec.stop_grace_ms,
                    )
                )
            elif container.state != "running":
                actions.append(
                    StartContainer(
                        id=f"start {address}",
                        resource=resource,
                        reason=Reason("stopped_outside", "stopped outside of fleet"),
                        needs=(*needs, *gates),
                        service=name,
                        replica=replica,
                        container_id=container.container_id,
                        name=container.name,
                        paused=container.state == "paused",
                    )
                )
            else:
                unchanged.append(Unchanged(f"{resource}/{replica}", "as declared"))
        for container in held.values():
            actions.append(_remove(container.service, container.replica, container.container_id, container.name))
    for name in sorted(set(projected.services) - set(desired.services)):
        removals = [
            _remove(name, one.replica, one.container_id, one.name)
            for one in projected.containers.get(name, ())
            if one.state != "missing"
        ]
        actions.extend(removals)
        resource = f"service/{name}"
        actions.append(
            ForgetService(
                id=f"forget {resource}",
                resource=resource,
                reason=Reason("removed_from_file", "its block has left the file"),
                needs=tuple(Need(one.id) for one in removals),
                service=name,
            )
        )
    return Plan(
        fleet=desired.name,
        project=desired.project,
        actions=tuple(actions),
        unchanged=tuple(unchanged),
        counts=Counts(
            replace=sum(isinstance(one, ReplaceContainer) for one in actions),
            delete=sum(isinstance(one, RemoveContainer) for one in actions),
            create=sum(isinstance(one, CreateContainer) for one in actions),
            start=sum(isinstance(one, StartContainer) for one in actions),
            unchanged=len(unchanged),
        ),
        destroys=sum(isinstance(one, ReplaceContainer | RemoveContainer) for one in actions),
        basis=Basis(digest_of(to_document(desired)), "", projected.sequence),
    )


def _remove(service: str, replica: int, container_id: str, name: str) -> RemoveContainer:
    return RemoveContainer(
        id=f"delete service/{service}/{replica}",
        resource=f"service/{service}",
        reason=Reason("removed_from_file", "its block has left the file"),
        service=service,
        replica=replica,
        container_id=container_id,
        name=name,
    )
