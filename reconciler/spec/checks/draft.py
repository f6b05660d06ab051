"""The fleet as far as it could be read, with the tree it came from: what the checks look at and point into."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.spec.desired import Handler, MissionSpec, NetworkSpec, Notification, SpecialistSpec, VolumeSpec
from reconciler.spec.shape.names import spot
from reconciler.spec.shape.service import ServiceDraft
from reconciler.spec.tree import Mapping, Node, Placed


@dataclass(slots=True)
class Draft:
    """Every section that others refer to.

    Attributes:
        root: the whole tree.
        declared: for each section the names that are in the file, readable or not.
    """

    root: Mapping
    services: dict[str, ServiceDraft]
    networks: dict[str, NetworkSpec]
    volumes: dict[str, VolumeSpec]
    handlers: dict[str, Handler]
    specialists: dict[str, SpecialistSpec]
    missions: dict[str, MissionSpec]
    notifications: list[tuple[Notification, Node, str]]
    moved: dict[str, str]
    declared: dict[str, set[str]]

    def active(self) -> dict[str, ServiceDraft]:
        """The services that take part."""
        return {name: service for name, service in self.services.items() if service.active}

    def spot(self, *keys: str) -> tuple[Placed, str]:
        """The place and path of a key of the file; of the nearest one above it where it is not there."""
        return spot(self.root, "", *keys)
