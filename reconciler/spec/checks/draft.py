"""The fleet as far as it could be read, with the tree it came from: what the checks look at and point into."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.spec.desired import Handler, MissionSpec, NetworkSpec, Notification, SpecialistSpec, VolumeSpec
from reconciler.spec.shape.names import place_below
from reconciler.spec.shape.service import ServiceDraft
from reconciler.spec.tree import Mapping, Placed


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
    notifications: tuple[Notification, ...]
    moved: dict[str, str]
    declared: dict[str, set[str]]

    def active(self) -> dict[str, ServiceDraft]:
        """The services that take part."""
        return {name: service for name, service in self.services.items() if service.active}

    def place(self, *keys: str) -> Placed:
        """The place of a key of the file; of the nearest one above it where it is not there."""
        return place_below(self.root, *keys)
