"""What a plan is narrowed to: targets with what they depend on, tags, and what is left out on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler.errors import NotFound
from reconciler.plan.graph import closure
from reconciler.plan.model import PlanOptions

_ALL: frozenset[int] = frozenset()
# What is named with its kind among services, whose names stand alone.
_OTHER_KINDS = ("specialist", "mission")


class Place(NamedTuple):
    """A service, or some of its replicas; none named means all. What is no service goes by its whole address."""

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
        other = self._other(address)
        if other:
            return other
        named = slash and kind in ("service", *_OTHER_KINDS)
        name, _, number = (rest if named else address).partition("/")
        name = self._moved.get(name, name)
        if name not in self._replicas or kind in _OTHER_KINDS:
            raise NotFound(f"there is no {address!r} in this fleet", hint=self._nearest(name))
        if not number:
            return Place(name)
        if number.isascii() and number.isdigit() and 0 < int(number) <= self._replicas[name]:
            return Place(name, int(number))
        count = self._replicas[name]
        raise NotFound(
            f"there is no {address!r} in this fleet",
            hint=f"service/{name} has {count} replica{'' if count == 1 else 's'}",
        )

    def _other(self, address: str) -> Place | None:
        """The address of something that is no service: as it is, or by a bare name that no service has."""
        bare = address.partition("/")[0]
        if bare in _OTHER_KINDS:
            return self._known(address)
        if bare in self._replicas or bare in self._moved:
            return None
        return next((found for kind in _OTHER_KINDS if (found := self._known(f"{kind}/{address}"))), None)

    def _known(self, full: str) -> Place | None:
        """What a whole address means, with or without the number of a replica."""
        if full in self._replicas:
            return Place(full)
        name, _, number = full.rpartition("/")
        fits = number.isascii() and number.isdigit() and 0 < int(number) <= self._replicas.get(name, 0)
        return Place(name, int(number)) if fits else None

    def _nearest(self, name: str) -> str:
        from difflib import get_close_matches

        addresses = {(one if "/" in one else f"service/{one}"): one for one in self._replicas}
        near = get_close_matches(name, [one.rpartition("/")[2] for one in addresses.values()], n=1)
        if near:
            return f"did you mean {next(full for full in addresses if full.rpartition('/')[2] == near[0])}?"
        known = sorted(addresses)
        listed = ", ".join(known[:5]) + (" …" if known[5:] else "")
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
