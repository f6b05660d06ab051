"""A saved plan: what was looked at and agreed to, to be carried out later exactly so or not at all.

The file holds the plan as people read it, its values covered, and digests of what it was computed on. It is not the plan
that is carried out: that one is made anew, and must be the same to the last byte. So a file that was tampered with can at
most be refused.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from reconciler.apply.model import plan_digest
from reconciler.control.reading import now_ms
from reconciler.decoders import known
from reconciler.errors import FleetError, NotFound, PlanStale
from reconciler.events.envelope import NewEvent
from reconciler.plan.basis import parts_of_desired, parts_of_projected
from reconciler.plan.model import PlanOptions
from reconciler.plan.render import document
from reconciler.spec.masked import masked
from reconciler.spec.roles import digest_of

if TYPE_CHECKING:
    from reconciler.control.look import Look
    from reconciler.control.session import Session
    from reconciler.spec.desired import Desired

_FORMAT = "fleet-plan"
_VERSION = 1
_AGAIN = "make the plan again: fleet plan --out FILE"
_NARROWING = ("targets", "exclude", "tags", "skip_tags")


class _Body(msgspec.Struct, frozen=True):
    """What the digest at the end of the file is of.

    Attributes:
        plan_digest: of its actions, whole.
        keyed: there was a key for digests of secrets when it was made.
        desired, recorded, projected, images: the digest of each thing that it was computed on.
    """

    project: str
    made_at: int
    made_by: str
    plan_digest: str
    actions: list[str]
    keyed: bool
    narrowed: dict[str, list[str]]
    desired: dict[str, str]
    recorded: dict[str, str]
    projected: dict[str, str]
    images: dict[str, str]
    plan: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan that was read back."""

    body: _Body

    @property
    def options(self) -> PlanOptions:
        """What narrowed it, and narrows it again."""
        targets, exclude, tags, skip_tags = (tuple(self.body.narrowed.get(name, ())) for name in _NARROWING)
        return PlanOptions(targets=targets, exclude=exclude, tags=tags, skip_tags=skip_tags)

    def must_still_hold(self, look: Look) -> None:
        """Refuse unless carrying out what this look found is carrying out this very plan.

        Raises:
            PlanStale: says what moved since.
        """
        moved = self.moved(look)
        if moved:
            raise Moved(moved)

    def moved(self, look: Look) -> tuple[str, ...]:
        """What is not as it was: the file, the log, the world; empty when the plan still holds."""
        now = _parts(look, keyed=self.body.keyed)
        recorded = list(_changed(self.body.recorded, now["recorded"]))
        seen = [one for one in _changed(self.body.projected, now["projected"]) if one not in recorded]
        found = [f"the file: {name}" for name in _changed(self.body.desired, now["desired"])]
        found += [f"the log: {name}" for name in recorded]
        found += [f"the world: {name}" for name in seen]
        found += [f"the world: image {name}" for name in _changed(self.body.images, now["images"])]
        same = (
            self.body.plan_digest == plan_digest(look.plan)
            if self.body.keyed
            else self.body.actions == [action.id for action in look.plan.actions]
        )
        if not found and not same:
            # A suspension or a back-off has run out, or another release plans otherwise.
            found.append("the plan itself: with the time that passed it would be another one")
        return tuple(found)


class Moved(PlanStale):
    """A saved plan that does not hold any more.

    Attributes:
        moved: what is not as it was.
    """

    def __init__(self, moved: tuple[str, ...]) -> None:
        super().__init__(f"the saved plan is stale; since then changed {', '.join(moved)}", hint=_AGAIN)
        self.moved = moved


def save(look: Look, options: PlanOptions, path: Path, *, actor: str) -> None:
    """Write the plan of a look, readable by its owner only; all of it or nothing.

    Raises:
        FleetError: the file cannot be written.
    """
    keyed = bool(look.reading.inputs.get("keyed"))
    body = _Body(
        project=look.desired.project,
        made_at=now_ms(),
        made_by=actor,
        plan_digest=plan_digest(look.plan),
        actions=[action.id for action in look.plan.actions],
        keyed=keyed,
        narrowed={name: list(getattr(options, name)) for name in _NARROWING if getattr(options, name)},
        plan=masked(document(look.plan)),
        **_parts(look, keyed=keyed),
    )
    value = msgspec.to_builtins(body)
    whole = {"format": _FORMAT, "version": _VERSION, "body": value, "digest": digest_of(value)}
    text = msgspec.json.format(msgspec.json.encode(whole), indent=1)
    try:
        _write(path, text)
    except OSError as error:
        raise FleetError(f"the plan cannot be written: {error.strerror}", where=str(path)) from None


def _write(path: Path, data: bytes) -> None:
    # A temporary file is readable by its owner only.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read_saved(path: Path, *, project: str) -> SavedPlan:
    """A saved plan of this project.

    Raises:
        NotFound: there is no such file.
        PlanStale: it is no saved plan, was changed after it was made, or is of another project or release.
    """
    try:
        whole = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise NotFound(f"the saved plan cannot be read: {error.strerror}", where=str(path), hint=_AGAIN) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        whole = None
    if not isinstance(whole, dict) or whole.get("format") != _FORMAT:
        raise PlanStale("this is no saved plan", where=str(path), hint=_AGAIN)
    if whole.get("version") != _VERSION:
        raise PlanStale(f"it was saved in form {whole.get('version')}, and this release reads {_VERSION}", hint=_AGAIN)
    if digest_of(whole.get("body")) != whole.get("digest"):
        raise PlanStale("it was changed after it was made", where=str(path), hint=_AGAIN)
    try:
        body = msgspec.convert(whole["body"], known(_Body))
    except msgspec.ValidationError as error:
        raise PlanStale(f"it cannot be read: {error}", where=str(path), hint=_AGAIN) from None
    if body.project != project:
        raise PlanStale("it is the plan of another project", where=str(path), hint=_AGAIN)
    return SavedPlan(body)


def record_refusal(session: Session, saved: SavedPlan, error: Moved, fleet: str) -> None:
    """Say in the log that the plan was refused; without a log there is nothing to say it in."""
    if not session.database.exists():
        return
    data = {"plan_digest": saved.body.plan_digest, "moved": list(error.moved)}
    session.writable().append([NewEvent("plan_refused", "fleet", fleet, data)], session.cause)


def _parts(look: Look, *, keyed: bool) -> dict[str, dict[str, str]]:
    return {
        "desired": parts_of_desired(look.desired if keyed else _without_secret_digests(look.desired)),
        "recorded": parts_of_projected(look.recorded),
        "projected": parts_of_projected(look.projected),
        "images": dict(look.images),
    }


def _without_secret_digests(desired: Desired) -> Desired:
    """As it is read before the first apply, which makes the key that digests of secrets need."""
    return replace(
        desired,
        services={name: replace(spec, secret_digests={}) for name, spec in desired.services.items()},
        specialists={name: replace(spec, secret_digests={}) for name, spec in desired.specialists.items()},
        secrets={name: replace(source, digest="") for name, source in desired.secrets.items()},
    )


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    return (name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name))
