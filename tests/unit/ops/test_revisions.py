"""What differs between two revisions: by meaning, masked, in one order."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import NotFound
from reconciler.ops.revisions import Comparison, compare_revisions
from reconciler.projections.rows import MemoryRows
from reconciler.spec.desired import to_document
from tests.support.fleets import fleet
from tests.support.story import Log

WEB = {"image": "localhost/web:1", "environment": {"MODE": "fast", "API_TOKEN": "abc"}, "replicas": 2}


def log_of(*documents: dict[str, Any]) -> Log:
    """A log in which these files were accepted, one revision after the other."""
    log = Log()
    for number, document in enumerate(documents, start=1):
        accepted = {"revision": number, "digest": f"v1:{number}", "document": to_document(fleet(document))}
        log.record("revision_accepted", "fleet/shop", accepted)
    return log


def text(comparison: Comparison) -> str:
    lines = [f"{comparison.old} → {comparison.new}"]
    for one in comparison.differences:
        lines.append(f"{one.kind} {one.resource}".rstrip())
        lines += [f"  {change.path}: {change.old!r} → {change.new!r}" for change in one.changes]
    return "\n".join(lines)


def test_field_by_field() -> None:
    web = {**WEB, "image": "localhost/web:2", "replicas": 3, "environment": {"MODE": "slow", "API_TOKEN": "def"}}
    log = log_of({"services": {"web": WEB}}, {"services": {"web": web}})
    assert text(compare_revisions(log.rows(), 1, 2)) == (
        "1 → 2\n"
        "changed service/web\n"
        "  image: 'localhost/web:1' → 'localhost/web:2'\n"
        "  environment.API_TOKEN: '********' → '********'\n"
        "  environment.MODE: 'fast' → 'slow'\n"
        "  replicas: 2 → 3"
    )


def test_what_came_and_what_went() -> None:
    log = log_of({"services": {"web": WEB}}, {"services": {"db": {"image": "localhost/db:1"}}})
    assert text(compare_revisions(log.rows(), 1, 2)) == (
        "1 → 2\n"
        "added service/db\n"
        "  image: None → 'localhost/db:1'\n"
        "removed service/web\n"
        "  environment.API_TOKEN: '********' → None\n"
        "  environment.MODE: 'fast' → None\n"
        "  image: 'localhost/web:1' → None\n"
        "  replicas: 2 → None"
    )


def test_other_sections() -> None:
    old = {"reconcile": {"max_destroy": 3}, "networks": {"front": {"subnet": "10.0.0.0/24"}}}
    new = {"reconcile": {"max_destroy": 5}, "networks": {"front": {"subnet": "10.0.1.0/24", "internal": True}}}
    log = log_of(old, new)
    assert text(compare_revisions(log.rows(), 1, 2)) == (
        "1 → 2\n"
        "changed network/front\n"
        "  internal: False → True\n"
        "  subnet: '10.0.0.0/24' → '10.0.1.0/24'\n"
        "changed\n"
        "  reconcile.max_destroy: 3 → 5"
    )


def test_the_same_meaning() -> None:
    one = {"services": {"web": {**WEB, "cap_add": ["A", "B"]}}}
    other = {"services": {"web": {**WEB, "cap_add": ["B", "A"], "pull": "missing"}}}
    assert compare_revisions(log_of(one, other).rows(), 1, 2).differences == ()


def test_which_ones_are_meant() -> None:
    log = log_of(*({"services": {"web": {**WEB, "replicas": number}}} for number in (1, 2, 3)))
    problem = {"file": "fleet.yaml", "message": "wrong"}
    log.record("revision_rejected", "fleet/shop", {"revision": 4, "problems": [problem]})

    def compared(old: int | None, new: int | None) -> tuple[int, int]:
        found = compare_revisions(log.rows(), old, new)
        return found.old, found.new

    assert compared(None, None) == (2, 3)
    assert compared(1, None) == (1, 3)
    assert compared(None, 2) == (1, 2)
    assert compared(3, 1) == (3, 1)


def test_after_a_rollback_the_older_one_holds() -> None:
    log = log_of(*({"services": {"web": {**WEB, "replicas": number}}} for number in (1, 2)))
    log.record("revision_reverted", "fleet/shop", {"revision": 2, "to_revision": 1})
    with pytest.raises(NotFound, match="revision 1 is the first"):
        compare_revisions(log.rows(), None, None)


def test_the_first_has_none_before_it() -> None:
    with pytest.raises(NotFound, match="revision 1 is the first that was accepted"):
        compare_revisions(log_of({}).rows(), None, None)


def test_none_at_all() -> None:
    with pytest.raises(NotFound, match="no revision has been accepted yet"):
        compare_revisions(MemoryRows(), None, None)


def test_one_that_is_not_there_or_was_rejected() -> None:
    log = log_of({})
    problem = {"file": "fleet.yaml", "message": "wrong"}
    log.record("revision_rejected", "fleet/shop", {"revision": 2, "problems": [problem]})
    with pytest.raises(NotFound, match="there is no revision 7"):
        compare_revisions(log.rows(), 7, 1)
    with pytest.raises(NotFound, match="revision 2 was rejected"):
        compare_revisions(log.rows(), 1, 2)


def test_one_that_no_release_could_read() -> None:
    log = log_of({}, {})
    row = log.rows().get("revisions", "0000000001")
    assert row is not None
    rows = MemoryRows(log.rows())
    rows.put("revisions", "0000000001", {**row, "document": {"services": 5}})
    with pytest.raises(NotFound, match="recorded by another release"):
        compare_revisions(rows, 1, 2)
