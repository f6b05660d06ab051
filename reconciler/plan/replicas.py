"""What is to be done about one replica: every rule for a single container, as one question after the other.

The order of the questions is the order of precedence: whether it exists, whether it is wanted down, what was edited, what
the world changed, and last what somebody asked for. A replica with nothing to do says why. A change that is refused
(`protect`) or only told (`self_heal: false`) does not hide what else is to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs

from reconciler.plan import steps
from reconciler.plan.fields import Changed, values_changed
from reconciler.plan.model import AnyAction, FieldChange, Reason, ReplaceContainer
from reconciler.plan.reasons import by_hand, counted, edited, moment
from reconciler.plan.wanted import Wanted
from reconciler.projections.projected import ProjectedContainer
from reconciler.spec.desired import limits_of

AS_DECLARED = "as declared"
ALIVE = frozenset({"running", "paused"})
_SHORT = 12


class Verdict(NamedTuple):
    """Actions in the order they must be done in, or why there are none; and what a person should know."""

    actions: tuple[AnyAction, ...] = ()
    why: str = ""
    warnings: tuple[str, ...] = ()


_FINE = Verdict(why=AS_DECLARED)


def choose(
    wanted: Wanted, containers: Sequence[ProjectedContainer]
) -> tuple[ProjectedContainer, Sequence[ProjectedContainer]]:
    """The container that stays a replica's, and those that are too many: what runs and is as declared stays.

    Of a protected service all of them stay, so the choice must not follow what they do: the first one is the replica's.
    """
    if len(containers) == 1:
        return containers[0], ()
    best = containers[0] if wanted.spec.protect else max(containers, key=lambda one: _worth(wanted, one))
    return best, [one for one in containers if one is not best]


def _worth(wanted: Wanted, container: ProjectedContainer) -> tuple[bool, bool, bool, bool]:
    matches = not wanted.differences(container)
    serves = container.state in ALIVE or (wanted.job and _completed(container))
    return serves, matches and container.health != "unhealthy", matches, not container.second


def judge(wanted: Wanted, replica: int, container: ProjectedContainer | None, *, restart: bool) -> Verdict:
    """What is to be done about a replica.

    Args:
        container: the one that stands for it, None when there is none.
        restart: somebody asked for a restart.
    """
    if container is None:
        return _absent(wanted, replica)
    if wanted.down:
        return _down(wanted, container)
    changed = wanted.differences(container)
    if container.state == "missing":
        return _missing(wanted, container, changed)
    swap = _edited(wanted, container, changed) if changed else _swapped_by_world(wanted, container)
    if swap is not None and swap.actions:
        return swap
    verdict = _requested(wanted, container) if restart else _by_state(wanted, container)
    verdict = _with_name(wanted, container, _with_limits(wanted, container, verdict))
    return verdict if swap is None else Verdict(verdict.actions, swap.why, (*swap.warnings, *verdict.warnings))


def _absent(wanted: Wanted, replica: int) -> Verdict:
    if wanted.down:
        return Verdict(why="stopped on request")
    for adoption in wanted.situation.options.adopt:
        if (adoption.service, adoption.replica) == (wanted.name, replica):
            return Verdict((steps.adopt(wanted, adoption),))
    if wanted.known is None:
        return Verdict((steps.create(wanted, replica, Reason("declared", "new in the file")),))
    held = _held_back(wanted, replica)
    if held is not None:
        return held
    before, now = wanted.replicas_before, wanted.spec.replicas
    if replica > before:
        reason = Reason("scaled", f"replicas {before} → {now}", (FieldChange("replicas", before, now),))
    else:
        reason = Reason("not_started", "declared and not made yet")
    return Verdict((steps.create(wanted, replica, reason),))


def _down(wanted: Wanted, container: ProjectedContainer) -> Verdict:
    if container.state not in ALIVE:
        return Verdict(why="stopped on request")
    if not container.external or container.state == "paused":
        return Verdict((steps.stop(wanted, container, Reason("requested", "stopped on request")),))
    reason = Reason("world_changed", "started outside of fleet while it is wanted down")
    return _heal(wanted, container, "state", steps.stop(wanted, container, reason))


def _missing(wanted: Wanted, container: ProjectedContainer, changed: Sequence[Changed]) -> Verdict:
    if changed:
        return Verdict((steps.create(wanted, container.replica, _reason(wanted, changed)),))
    if wanted.job and container.completed_digest is not None:
        return Verdict(why="completed")
    held = _held_back(wanted, container.replica)
    if held is not None:
        return held
    reason = Reason("missing", "removed outside of fleet")
    return _heal(wanted, container, "state", steps.create(wanted, container.replica, reason))


def _edited(wanted: Wanted, container: ProjectedContainer, changed: Sequence[Changed]) -> Verdict:
    action = steps.replace(wanted, container, _reason(wanted, changed))
    if container.digest == wanted.digest:
        # Only what it shares with others changed: there is no former definition to go back to.
        action = structs.replace(action, auto_revert=False)
    return _unless_protected(wanted, action)


def _reason(wanted: Wanted, changed: Sequence[Changed]) -> Reason:
    reason = edited(changed)
    return Reason("rerun", f"runs again: {reason.text}", reason.changes) if wanted.job else reason


def _swapped_by_world(wanted: Wanted, container: ProjectedContainer) -> Verdict | None:
    """A replacement for what somebody did to the container or to its image; None when there is nothing of that kind."""
    found = _changed_by_world(wanted, container)
    if not found or (wanted.job and _completed(container)):
        return None
    ignored = {one.path: wanted.situation.ignored(wanted.name, container.replica, one.path) for one in found}
    changes = [one for one in found if not ignored[one.path]]
    if not changes:
        return Verdict(why=f"{by_hand(found).text}; {ignored[found[0].path]}")
    if changes[0].path == "image":
        reason = Reason("image_changed", "image changed: its reference points to another one now", tuple(changes))
    else:
        reason = by_hand(changes)
    return _told(wanted, _unless_protected(wanted, steps.replace(wanted, container, reason)))


def _changed_by_world(wanted: Wanted, container: ProjectedContainer) -> list[FieldChange]:
    """What cannot be put right in place: the image behind the reference first, then fields changed by hand."""
    images = wanted.situation.options.images
    here = _bare(images.get(wanted.image, "")) if images else ""
    made_of = _bare(container.image_id)
    changes = [FieldChange("image", made_of[:_SHORT], here[:_SHORT])] if here and made_of and here != made_of else []
    for field in sorted(container.drift):
        if field not in ("name", "image"):
            drift = container.drift[field]
            changes.append(FieldChange(field, drift.get("actual"), drift.get("expected")))
    return changes


def _bare(image_id: str) -> str:
    return image_id.removeprefix("sha256:")


def _requested(wanted: Wanted, container: ProjectedContainer) -> Verdict:
    reason = Reason("requested", "restart requested")
    act = steps.restart if container.state == "running" else steps.start
    return Verdict((act(wanted, container, reason),))


def _by_state(wanted: Wanted, container: ProjectedContainer) -> Verdict:
    match container.state:
        case "running":
            return _unhealthy(wanted, container) if container.health == "unhealthy" else _FINE
        case "created":
            return Verdict((steps.start(wanted, container, Reason("not_started", "made but never started")),))
        case "paused":
            held = _held_back(wanted, container.replica)
            if held is not None:
                return held
            reason = Reason("world_changed", "paused outside of fleet")
            return _heal(wanted, container, "state", steps.start(wanted, container, reason))
        case _:
            return _ended_job(wanted, container) if wanted.job else _ended(wanted, container)


def _unhealthy(wanted: Wanted, container: ProjectedContainer) -> Verdict:
    """One that runs and does not work: restarted where somebody watches over it and may."""
    if not wanted.situation.options.restart_unhealthy or wanted.spec.restart.policy == "no":
        return Verdict(why="running, unhealthy")
    held = _held_back(wanted, container.replica)
    if held is not None:
        return held
    reason = Reason("unhealthy", "its health check fails")
    return _heal(wanted, container, "health", steps.restart(wanted, container, reason))


def _ended(wanted: Wanted, container: ProjectedContainer) -> Verdict:
    """A service whose container does not run: Fleet's own doing, or as its restart policy has it, or to be started."""
    if not container.external:
        return Verdict((steps.start(wanted, container, Reason("requested", "wanted up again")),))
    policy = wanted.spec.restart.policy
    code = "" if container.exit_code is None else f" (exit code {container.exit_code})"
    if policy == "no" or (policy == "on-failure" and container.exit_code == 0):
        return Verdict(why=f"has ended{code} and its restart policy is {policy}")
    held = _held_back(wanted, container.replica)
    if held is not None:
        return held
    reason = Reason("stopped_outside", f"stopped outside of fleet{code}")
    return _heal(wanted, container, "state", steps.start(wanted, container, reason))


def _ended_job(wanted: Wanted, container: ProjectedContainer) -> Verdict:
    """A job runs once per definition; one that failed runs again unless its restart policy is `no`."""
    if _completed(container):
        return Verdict(why="completed")
    failed = "failed" if container.exit_code is None else f"failed with exit code {container.exit_code}"
    if wanted.spec.restart.policy == "no":
        return Verdict(why=f"{failed} and its restart policy is no")
    held = _held_back(wanted, container.replica)
    if held is not None:
        return held
    return Verdict((steps.start(wanted, container, Reason("rerun", f"runs again: it {failed}")),))


def _completed(container: ProjectedContainer) -> bool:
    return container.completed_digest is not None or (container.state == "exited" and container.exit_code == 0)


def _with_limits(wanted: Wanted, container: ProjectedContainer, verdict: Verdict) -> Verdict:
    """Limits are changed in place, of a container that runs or is about to."""
    if container.resources == wanted.resources or not (container.state == "running" or verdict.actions):
        return verdict
    changes = values_changed("resources", limits_of(container.resources), wanted.spec.resources)
    if not changes:
        return verdict
    return verdict._replace(actions=(*verdict.actions, steps.update(wanted, container, changes)))


def _with_name(wanted: Wanted, container: ProjectedContainer, verdict: Verdict) -> Verdict:
    """A container that goes by another name than the declared one is renamed."""
    name = steps.engine_name(wanted, container.replica)
    if container.name == name:
        return verdict
    change = FieldChange("name", container.name, name)
    if "name" not in container.drift or wanted.renamed:
        cut_short = container.name.startswith(f"{name}-") and not wanted.renamed
        reason = Reason("renamed", f"is called {name} now", (change,))
        if cut_short:
            # A replacement gives its new container a longer name until the old one has gone.
            reason = Reason("duplicate", f"takes the name {name}: an apply was cut short before it could", (change,))
        return verdict._replace(actions=(steps.rename(wanted, container, reason), *verdict.actions))
    healed = _heal(wanted, container, "name", steps.rename(wanted, container, by_hand([change])))
    if healed.actions or verdict is _FINE:
        return verdict._replace(actions=(*healed.actions, *verdict.actions), why=healed.why)
    return verdict


def _heal(wanted: Wanted, container: ProjectedContainer, field: str, action: AnyAction) -> Verdict:
    """Put right what the world changed, unless that is to be left alone."""
    ignored = wanted.situation.ignored(wanted.name, container.replica, field)
    if ignored:
        return Verdict(why=f"{action.reason.text}; {ignored}")
    return _told(wanted, Verdict((action,)))


def _told(wanted: Wanted, verdict: Verdict) -> Verdict:
    """The verdict, or only its reason while self-healing is off."""
    if wanted.situation.options.heal or not verdict.actions:
        return verdict
    return Verdict(why=f"{verdict.actions[0].reason.text}; self-healing is off", warnings=verdict.warnings)


def _unless_protected(wanted: Wanted, action: ReplaceContainer) -> Verdict:
    if not wanted.spec.protect:
        return Verdict((action,))
    text = f"is protected and would be replaced: {action.reason.text}; `protect: false` in its block allows it"
    return Verdict(why=f"protected; {action.reason.text}", warnings=(text,))


def _held_back(wanted: Wanted, replica: int) -> Verdict | None:
    """A replica that keeps failing is left alone for a while or for good; an edit overrides both."""
    backoff = None if wanted.edited else wanted.situation.backoff(wanted.name, replica)
    if backoff is None:
        return None
    failures = counted(backoff.failures, "failure")
    if backoff.abandoned:
        text = f"was given up after {failures}; `fleet services up {wanted.name}` tries again"
        return Verdict(why=f"given up after {failures}", warnings=(text,))
    return Verdict(why=f"waits until {moment(backoff.until or 0)} after {failures}")
