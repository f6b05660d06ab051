"""Specialists and missions against each other: names, capabilities, circles."""

from __future__ import annotations

from reconciler.spec.checks.cycles import check_cycles
from reconciler.spec.checks.draft import Draft
from reconciler.spec.desired import MissionSpec, SecretUse, SortieSpec
from reconciler.spec.problems import did_you_mean
from reconciler.spec.reading import Reading
from reconciler.spec.tree import Entry, Mapping, child, quoted


def check_work(draft: Draft, reading: Reading) -> None:
    """Report what specialists and missions refer to and that is not there."""
    for name, worker in draft.specialists.items():
        for variable, value in worker.environment.items():
            if isinstance(value, SecretUse):
                at = draft.place("specialists", name, "environment", variable)
                path = child(f"{child('specialists', name)}.environment", variable)
                reading.expect("secret", value.secret, draft.declared["secrets"], at, path)
    abilities = {ability for worker in draft.specialists.values() for ability in worker.capabilities}
    for name, mission in draft.missions.items():
        _check_mission(name, mission, abilities, draft, reading)


def _check_mission(name: str, mission: MissionSpec, abilities: set[str], draft: Draft, reading: Reading) -> None:
    base = f"{child('missions', name)}.sorties"
    known = _declared_sorties(name, draft)
    for sortie in mission.sorties.values():
        _check_sortie((name, sortie, f"{base}.{sortie.name}"), known, abilities, draft, reading)
    check_cycles(
        {one: sortie.depends_on for one, sortie in mission.sorties.items()},
        "sorties",
        lambda one, _: (draft.place("missions", name, "sorties", one, "depends_on"), f"{base}.{one}.depends_on"),
        reading,
    )


def _declared_sorties(mission: str, draft: Draft) -> set[str]:
    place = draft.place("missions", mission, "sorties")
    return set(place.value.entries) if isinstance(place, Entry) and isinstance(place.value, Mapping) else set()


def _check_sortie(
    which: tuple[str, SortieSpec, str], known: set[str], abilities: set[str], draft: Draft, reading: Reading
) -> None:
    mission, sortie, path = which
    keys = ("missions", mission, "sorties", sortie.name)
    for other in sortie.depends_on:
        hint = "a sortie depends on sorties of its own mission"
        reading.expect("sortie", other, known, draft.place(*keys, "depends_on"), f"{path}.depends_on", hint)
    for ability in sortie.requires:
        if draft.specialists and ability not in abilities:
            message = f"no specialist has the capability {quoted(ability)}"
            hint = did_you_mean(ability, abilities)
            reading.warn(draft.place(*keys, "requires"), f"{path}.requires", message, hint)
    people = [("assigned_to", sortie.assigned_to)]
    if sortie.review is not None:
        people.append(("review.by", sortie.review.by))
    for key, person in people:
        # Workers may also register themselves, and reviewers be people: a name that nobody bears is no error.
        if person and draft.specialists and person not in draft.declared["specialists"]:
            message = f"no specialist of this file is called {quoted(person)}"
            hint = did_you_mean(person, draft.declared["specialists"])
            reading.warn(draft.place(*keys, *key.split(".")), f"{path}.{key}", message, hint)
    if sortie.when == "failure" and not sortie.depends_on:
        message = "this runs when a sortie before it fails, and none is before it"
        reading.wrong(draft.place(*keys, "when"), f"{path}.when", message, "add depends_on:")
