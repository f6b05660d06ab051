"""One declared service as its replicas are judged: the definition that holds, and how a container differs from it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from reconciler.plan.fields import UNKNOWN, Changed, compare
from reconciler.plan.networks import behind
from reconciler.plan.situation import Situation
from reconciler.projections.projected import ProjectedContainer, ProjectedService
from reconciler.spec.desired import to_document
from reconciler.spec.roles import definition_digest


class Wanted:
    """A service that the file declares.

    Attributes:
        spec: the declared definition.
        digest: what stands for it.
        known: what the log says, None for a service that is new.
        changed: how the definition differs from the one in the log; empty where there is none in the log.
    """

    def __init__(self, situation: Situation, name: str) -> None:
        self.situation = situation
        self.name = name
        self.spec = situation.desired.services[name]
        self.known: ProjectedService | None = situation.services.get(name)
        self.moved_from = situation.moved.get(name, "")
        self.changed: tuple[Changed, ...] = ()
        self._differences: dict[str, tuple[Changed, ...]] = {}
        known = self.known
        if known is None:
            self.digest = definition_digest(self.spec)
        elif known.document == to_document(self.spec):
            self.digest = known.digest
        else:
            self._compare(known)

    def _compare(self, known: ProjectedService) -> None:
        self.digest = definition_digest(self.spec)
        logged = self.situation.definition(known.digest)
        self.changed = compare(logged, self.spec) if logged is not None else (UNKNOWN,)

    @property
    def image(self) -> str:
        """The reference that its containers run."""
        return self.spec.image

    @property
    def job(self) -> bool:
        """Whether it runs once and ends."""
        return self.spec.kind == "job"

    @property
    def down(self) -> bool:
        """Whether somebody asked for it to be stopped."""
        return self.known is not None and self.known.wanted == "down"

    @cached_property
    def resources(self) -> dict[str, Any]:
        """The declared limits as a document."""
        return to_document(self.spec.resources)

    @cached_property
    def edited(self) -> bool:
        """Whether what makes its containers was edited since the log's definition, or is new."""
        return self.known is None or any(one.role == "replace" for one in self.changed)

    @property
    def replicas_before(self) -> int:
        """How many replicas the log's definition wants."""
        before = self.known.document.get("replicas", 1) if self.known is not None else 0
        return before if isinstance(before, int) else 0

    @property
    def renamed(self) -> bool:
        """Whether the file gives its containers other names than before."""
        return bool(self.moved_from) or any(
            one.role == "rename" or one.change.path == "replicas" for one in self.changed
        )

    @cached_property
    def _renamed(self) -> tuple[Changed, ...]:
        """Networks and volumes of this service that go by another engine name now: a container keeps the old one."""
        renamed = self.situation.renamed
        if not renamed:
            return ()
        used = [f"networks.{use.network}" for use in self.spec.networks]
        used += [f"volumes.{mount.source}" for mount in self.spec.mounts if mount.kind == "volume"]
        return tuple(Changed("replace", renamed[one]) for one in used if one in renamed)

    def differences(self, container: ProjectedContainer) -> tuple[Changed, ...]:
        """What a container would have to be made anew for; empty when it is as declared."""
        if container.digest not in self._differences:
            self._differences[container.digest] = self._differ(container.digest)
        found = self._differences[container.digest]
        if self.job and container.completed_digest is not None:
            # It has no use for a network any more.
            return found
        return (*found, *(Changed("replace", change) for change in behind(self.situation, self.spec, container)))

    def _differ(self, digest: str) -> tuple[Changed, ...]:
        if digest == self.digest:
            return self._renamed
        made_from = self.situation.definition(digest)
        if made_from is None:
            return (UNKNOWN,)
        return (*(one for one in compare(made_from, self.spec) if one.role == "replace"), *self._renamed)
