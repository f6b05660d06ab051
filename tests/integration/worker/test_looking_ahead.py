"""An office that claims the next sortie together with handing in a result."""

from __future__ import annotations

import pytest

from reconciler.control.desk import sorties, specialists
from reconciler.control.worker.handing_in import Cost
from reconciler.control.worker.identity import Identity
from reconciler.control.worker.office import LocalOffice
from reconciler.spec.desired import SpecialistSpec
from reconciler.work.refusals import LeaseOver, NotEligible
from tests.integration.worker.conftest import Fleet, sortie

LEASE_MS = 60_000


def office(fleet: Fleet) -> LocalOffice:
    made = LocalOffice(fleet.store, fleet.desk(), Identity(SpecialistSpec(name="builder")), look_ahead_ms=LEASE_MS)
    made.register()
    return made


def test_the_next_sortie_comes_with_the_last_result(fleet: Fleet) -> None:
    fleet.start(a=sortie(run="true"), b=sortie(run="true"))
    desk = office(fleet)
    first = desk.claim(LEASE_MS)
    assert first is not None
    desk.complete(first.job.sortie_id, first.attempt, {"success": True}, [], Cost())
    head = fleet.store.head()
    second = desk.claim(LEASE_MS)
    assert second is not None
    assert second.job.sortie_id != first.job.sortie_id
    assert fleet.store.head() == head
    assert desk.holds(second)
    desk.complete(second.job.sortie_id, second.attempt, {"success": True}, [], Cost())
    assert desk.claim(LEASE_MS) is None
    assert desk.claim(LEASE_MS) is None


def test_what_was_claimed_and_not_taken_up_is_handed_back_on_leaving(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="true"), b=sortie(run="true"))
    desk = office(fleet)
    first = desk.claim(LEASE_MS)
    assert first is not None
    desk.complete(first.job.sortie_id, first.attempt, {"success": True}, [], Cost())
    desk.leave("cancelled", "")
    left = [fleet.sortie(ids[name]) for name in "ab" if ids[name] != first.job.sortie_id]
    assert [(row["status"], row["attempt_base"]) for row in left] == [("pending", 1)]


def test_a_refusal_of_the_one_is_no_concern_of_the_other(fleet: Fleet) -> None:
    ids = fleet.start(a=sortie(run="true"), b=sortie(run="true"))
    desk = office(fleet)
    first = desk.claim(LEASE_MS)
    assert first is not None
    fleet.desk().run(sorties.cancel(first.job.sortie_id, by="tester"))
    with pytest.raises(LeaseOver):
        desk.complete(first.job.sortie_id, first.attempt, {"success": True}, [], Cost())
    second = desk.claim(LEASE_MS)
    assert second is not None
    fleet.desk().run(specialists.drain("spec_builder_1", by="tester"))
    desk.complete(second.job.sortie_id, second.attempt, {"success": True}, [], Cost())
    with pytest.raises(NotEligible):
        desk.claim(LEASE_MS)
    assert sorted(fleet.sortie(ids[name])["status"] for name in "ab") == ["cancelled", "completed"]
