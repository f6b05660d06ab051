"""Planning against the past: what the file would have changed in the fleet as the log knew it then. Read-only.

Nobody looks at the world: what ran then is what the log says ran. Images that were rebuilt since are not noticed, because
only the present can be asked what a reference points to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.control.held import hold_back
from reconciler.control.reading import now_ms, read_file
from reconciler.errors import NotFound
from reconciler.plan.diff import diff
from reconciler.plan.model import Plan, PlanOptions
from reconciler.projections.projected import Projected, project

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.events.moment import Moment
    from reconciler.projections.store import Store


def plan_at(session: Session, moment: Moment, options: PlanOptions) -> Plan:
    """The difference between the file of today and the fleet as it was recorded at a moment.

    Args:
        options: what narrows the plan; `now_ms` becomes the time of that moment, so that suspensions and back-offs
            count as they did then.

    Raises:
        NotFound: nothing was ever recorded, or the moment lies beyond the log's end.
        SpecInvalid: the file is wrong.
    """
    store = session.store
    if store is None:
        raise NotFound("nothing has been applied yet", hint="fleet plan")
    sequence = min(store.sequence_at(moment), store.head())
    projected = project(store.rows_at(sequence), sequence=sequence)
    present = store.projected()
    reading = read_file(session, store.rows(), present.head)
    desired, notices = hold_back(reading.desired, projected)
    then = replace(options, now_ms=_time_of(store, sequence, moment), images=_images(projected))
    plan = diff(desired, projected, then)
    return replace(plan, warnings=(*plan.warnings, *notices)) if notices else plan


def _images(projected: Projected) -> dict[str, str]:
    """What references pointed to, as far as the log knew: from its pulls and builds, and from the containers made of them."""
    told = {image.image: image.image_id for image in projected.images.values()}
    return told | {
        found.image: found.image_id for found in projected.all_containers() if found.image and found.image_id
    }


def _time_of(store: Store, sequence: int, moment: Moment) -> int:
    if moment.time_ms is not None:
        return moment.time_ms
    from reconciler.events.store.query import EventQuery

    last = next(iter(store.events(EventQuery(before=sequence + 1, newest_first=True, limit=1))), None)
    return last.recorded_at if last is not None else now_ms()
