"""Specialists and missions against each other: names, capabilities, circles."""

from __future__ import annotations

from functools import partial

from reconciler.spec.checks.cycles import check_cycles
from reconciler.spec.checks.draft import Draft
from reconciler.spec.desired import MissionSpec, SecretUse, SortieSpec
from reconciler.spec.reading import Reading
from reconciler.spec.tree import Entry, Mapping
from reconciler.spec.wording import quoted

Keys = tuple[str, ...]


def check_work(draft: Draft, reading: Reading) -> None:
    """Report what specialists and missions refer to and that is not there."""
    for name, worker in draft.specialists.items():
        for variable, value in worker.environment.items():
            if isinstance(value, SecretUse):
                at = partial(draft.spot, "specialists", name, "environment", variable)
                reading.expect(at, "secret", value.secret, draft.declared["secrets"])
    abilities = {ability for worker in draft.specialists.values() for ability in worker.capabilities}
    for name, mission in draft.missions.items():
        _check_mission(name, mission, abilities, draft, reading)


def _check_mission(name: str, mission: MissionSpec, abilities: set[str], draft: Draft, reading: Reading) -> None:
    keys = ("missions", name, "sorties")
    known = _declared_sorties(name, draft)
    for sortie in mission.sorties.values():
        _check_order((*keys, sortie.name), sortie, known, draft, reading)
        _check_people((*keys, sortie.name), sortie, abilities, draft, reading)
        _check_review((*keys, sortie.name), sortie, draft, reading)
    check_cycles(
        {one: sortie.depends_on for one, sortie in mission.sorties.items()},
        "sorties",
        lambda one, other: draft.spot(*keys, one, "depends_on", other),
        reading,
    )


def _declared_sorties(mission: str, draft: Draft) -> set[str]:
    place, _ = draft.spot("missions", mission, "sorties")
    return set(place.value.entries) if isinstance(place, Entry) and isinstance(place.value, Mapping) else set()


def _check_order(keys: Keys, sortie: SortieSpec, known: set[str], draft: Draft, reading: Reading) -> None:
    for other in sortie.depends_on:
        hint = "a sortie depends on sorties of its own mission"
        reading.expect(partial(draft.spot, *keys, "depends_on", other), "sortie", other, known, hint)
    if sortie.when == "failure" and not sortie.depends_on:
        message = "this runs when a sortie before it fails, and none is before it"
        reading.wrong(*draft.spot(*keys, "when"), message, "add depends_on:")


def _check_people(keys: Keys, sortie: SortieSpec, abilities: set[str], draft: Draft, reading: Reading) -> None:
    """Workers may also register themselves, and reviewers be people: what nobody of the file can do is no error."""
    if not draft.specialists:
        return
    for ability in sortie.requires:
        if ability not in abilities and not reading.problems.full:
            message = f"no specialist has the capability {quoted(ability)}"
            reading.warn(*draft.spot(*keys, "requires", ability), message, reading.problems.hint(ability, abilities))
    declared = draft.declared["specialists"]
    reviewer = sortie.review.by if sortie.review is not None else ""
    for below, person in ((("assigned_to",), sortie.assigned_to), (("review", "by"), reviewer)):
        if person and person not in declared:
            message = f"no specialist of this file is called {quoted(person)}"
            reading.warn(*draft.spot(*keys, *below), message, reading.problems.hint(person, declared))


def _check_review(keys: Keys, sortie: SortieSpec, draft: Draft, reading: Reading) -> None:
    """A reviewer that only runs commands needs to be told which."""
    review = sortie.review
    reviewer = draft.specialists.get(review.by) if review is not None else None
    if review is None or reviewer is None or review.run or reviewer.harness.command:
        return
    if reviewer.harness.kind in ("shell", "container") and not reading.problems.full:
        message = f"{quoted(review.by)} runs commands, and nothing says what it runs to review this"
        reading.warn(*draft.spot(*keys, "review"), message, "add run:, whose exit code is the verdict")
