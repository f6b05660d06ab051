"""Who a worker is: one replica of a declared specialist, with the same id after every restart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.ids import replica_id
from reconciler.spec.desired import SpecialistSpec, to_document


def specialist_id(pool: str, replica: int) -> str:
    """The id under which a replica of a declared specialist is registered."""
    return replica_id(pool, replica)


def specialist_name(pool: str, replica: int) -> str:
    """How people call it."""
    return f"{pool}-{replica}"


@dataclass(frozen=True, slots=True)
class Identity:
    """One replica, counted from 1."""

    spec: SpecialistSpec
    replica: int = 1

    @property
    def id(self) -> str:
        """Its id in the log."""
        return specialist_id(self.spec.name, self.replica)

    @property
    def name(self) -> str:
        """Its name for people."""
        return specialist_name(self.spec.name, self.replica)

    def metadata(self) -> dict[str, Any]:
        """What it is registered with; the desk looks at its budget and at its time-out."""
        found: dict[str, Any] = {
            "pool": self.spec.name,
            "replica": self.replica,
            "harness": self.spec.harness.kind,
            "heartbeat_timeout_ms": self.spec.heartbeat_timeout_ms,
        }
        budget = to_document(self.spec.budget)
        if budget:
            found["budget"] = budget
        return found
