"""What a plan is narrowed to: targets with what they depend on, tags, and what is left out on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler.errors import NotFound
from reconciler.plan.graph import closure
from reconciler.plan.model import PlanOptions

_ALL: frozenset[int] = frozenset()


class Place(NamedTuple):
    """A service, or some of its replicas; none named means all."""

    service: str
    replica: int = 0


class Selection:
    """Which services, and which of their replicas, a plan may touch."""

    def __init__(self, chosen: Mapping[str, frozenset[int]] | None, why_not: Mapping[str, str], otherwise: str) -> None:
        self._chosen = chosen
        self._why_not = why_not
        self._otherwise = otherwise
        self.narrowed = chosen is not None or bool(why_not)

    def why_not(self, service: str, replica: int = 0) -> str:
        """Why this may not be touched; empty when it may.

        Args:
            replica: 0 asks about the service: whether any of it may be touched.
        """
        if not self.narrowed:
            return ""
        left_out = self._why_not.get(service) or (replica and self._why_not.get(f"{service}/{replica}"))
        if left_out:
            return left_out
        if self._chosen is None:
            return ""
        replicas = self._chosen.get(service)
        if replicas is None:
            return self._otherwise
        return "" if not replicas or not replica or replica in replicas else self._otherwise


class Names:
    """The services and replicas that an address can mean."""

    def __init__(self, replicas: Mapping[str, int], moved: Mapping[str, str]) -> None:
        """Remember what there is.

        Args:
            replicas: service to the highest number of a replica.
            moved: former names to present ones.
        """
        self._replicas = replicas
        self._moved = moved

    def place(self, address: str) -> Place:
        """What `service/web`, `web`, `service/web/2` or `web/2` means.

        Raises:
            NotFound: names the nearest known address.
        """
        kind, slash, rest = address.partition("/")
        name, _, number = (rest if kind == "service" and slash else address).partition("/")
        name = self._moved.get(name, name)
        if name not in self._replicas:
            raise NotFound(f"there is no {address!r} in this fleet", hint=self._nearest(address, name))
        if not number:
            return Place(name)
        if number.isascii() and number.isdigit() and 0 < int(number) <= self._replicas[name]:
            return Place(name, int(number))
        count = self._replicas[name]
        raise NotFound(
            f"there is no {address!r} in this fleet",
            hint=f"service/{name} has {count} replica{'' if count == 1 else 's'}",
        )

    def _nearest(self, address: str, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name, self._replicas, n=1)
        if near:
            return f"did you mean service/{near[0]}?"
        known = sorted(self._replicas)
        listed = ", ".join(f"service/{one}" for one in known[:5]) + (" …" if known[5:] else "")
        return f"known are {listed}" if known else "the fleet has no services"


def select(
    options: PlanOptions,
    names: Names,
    tags: Mapping[str, Sequence[str]],
    depends_on: Mapping[str, Iterable[str]],
) -> Selection:
    """The selection that the options ask for.

    Targets are narrowed by tags, widened by what they depend on, and then by nothing: what is excluded stays out even
    where a target depends on it.

    Args:
        tags: of every service that can be meant.
        depends_on: the declared dependencies.

    Raises:
        NotFound: for an address or a tag that nothing has.
    """
    if not (options.targets or options.exclude or options.tags or options.skip_tags):
        return Selection(None, {}, "")
    _known_tags((*options.tags, *options.skip_tags), tags)
    why_not = _left_out(options, names, tags)
    if not (options.targets or options.tags):
        return Selection(None, why_not, "")
    chosen = _chosen([names.place(address) for address in options.targets], tags)
    if options.tags:
        wanted = set(options.tags)
        chosen = {name: replicas for name, replicas in chosen.items() if wanted & set(tags.get(name, ()))}
    for name in closure(chosen, depends_on):
        chosen.setdefault(name, _ALL)
    return Selection(chosen, why_not, "not among the targets" if options.targets else "without the tags asked for")


def _chosen(places: Sequence[Place], everything: Iterable[str]) -> dict[str, frozenset[int]]:
    if not places:
        return dict.fromkeys(everything, _ALL)
    chosen: dict[str, frozenset[int]] = {}
    for place in places:
        if not place.replica:
            chosen[place.service] = _ALL
        elif chosen.get(place.service) != _ALL:
            chosen[place.service] = chosen.get(place.service, _ALL) | {place.replica}
    return chosen


def _left_out(options: PlanOptions, names: Names, tags: Mapping[str, Sequence[str]]) -> dict[str, str]:
    skipped = set(options.skip_tags)
    why_not = {name: "skipped by its tags" for name, own in tags.items() if skipped & set(own)}
    for address in options.exclude:
        place = names.place(address)
        why_not[f"{place.service}/{place.replica}" if place.replica else place.service] = "excluded"
    return why_not


def _known_tags(asked: Iterable[str], tags: Mapping[str, Sequence[str]]) -> None:
    known = sorted({tag for own in tags.values() for tag in own})
    for tag in asked:
        if tag not in known:
            from difflib import get_close_matches

            near = get_close_matches(tag, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
            raise NotFound(f"no service has the tag {tag!r}", hint=hint)
