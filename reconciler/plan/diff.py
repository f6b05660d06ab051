"""The difference between what is wanted and what the log says there is, as a plan.

One function from values to a value: no clock, no file, no randomness. The same input gives the same plan, byte for byte,
in whatever order the input was written. Applying a plan and asking again gives an empty one.
"""

from __future__ import annotations

from reconciler.plan.basis import basis_of
from reconciler.plan.claims import add_claims
from reconciler.plan.counts import count, destroys
from reconciler.plan.draft import Draft
from reconciler.plan.handlers import add_handlers
from reconciler.plan.leaving import add_leaving, in_reverse
from reconciler.plan.missions import add_missions
from reconciler.plan.model import Plan, PlanOptions
from reconciler.plan.notices import add_notices
from reconciler.plan.services import Services
from reconciler.plan.shared import add_shared
from reconciler.plan.situation import Situation
from reconciler.plan.specialists import add_specialists
from reconciler.projections.projected import Projected
from reconciler.spec.desired import Desired

_EVERYTHING = PlanOptions()


def diff(desired: Desired, projected: Projected, options: PlanOptions = _EVERYTHING) -> Plan:
    """What has to be done so that `projected` becomes `desired`.

    Args:
        options: what narrows the plan, the time, and the images that are here.

    Raises:
        NotFound: when an address or a tag among the options names nothing in this fleet.
    """
    situation = Situation(desired, projected, options)
    draft = Draft()
    services = Services(situation, draft)
    services.add()
    add_leaving(situation, draft)
    in_reverse(situation, draft)
    add_shared(situation, draft, services.looked)
    add_handlers(situation, draft, services.looked, services.standing)
    add_claims(situation, draft, services.looked)
    add_notices(situation, draft, services.looked)
    add_specialists(situation, draft)
    add_missions(situation, draft)
    actions = draft.actions()
    gone = {one.container_id for one in projected.all_containers() if one.state == "missing"}
    unchanged = tuple(sorted(draft.unchanged, key=lambda one: (one.resource, one.why)))
    return Plan(
        fleet=desired.name,
        project=desired.project,
        actions=actions,
        unchanged=unchanged,
        warnings=draft.warnings(),
        later=tuple(draft.later),
        counts=count(actions, unchanged),
        destroys=destroys(actions, gone),
        basis=basis_of(desired, projected),
    )
