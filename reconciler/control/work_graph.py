"""A mission's sorties for drawing: as its last run has them, or as the file declares them where it never ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.control.desk import missions, reading
from reconciler.control.work_door import declared
from reconciler.errors import NotFound
from reconciler.work.state import Sortie, SortiePlan

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.spec.desired import MissionSpec


def sorties_of(session: Session, word: str) -> list[Sortie]:
    """The sorties of a mission.

    Raises:
        NotFound: neither the log nor the file knows it.
    """
    store = session.store
    if store is not None:
        rows = store.rows()
        try:
            return reading.sorties(rows, mission_id=missions.find(rows, word).id)
        except NotFound:
            pass
    known = declared(session).missions
    spec = known.get(word.removeprefix("mission/"))
    if spec is None:
        raise NotFound(f"there is no mission {word}", hint=f"known: {', '.join(sorted(known)) or 'none'}")
    return planned(spec)


def planned(spec: MissionSpec) -> list[Sortie]:
    """The sorties of a mission that never ran, by their names."""
    return [
        Sortie(
            id=name,
            title=one.title,
            plan=SortiePlan(name=name, depends_on=one.depends_on, when=one.when, requires=frozenset(one.requires)),
        )
        for name, one in spec.sorties.items()
    ]
