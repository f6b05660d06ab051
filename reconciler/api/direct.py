"""Handlers called directly, where nothing but a path, a body and the caller have to be looked at.

FastAPI knows every path, writes the OpenAPI of all of them, and serves what is special: queries, headers, streams, and whatever
matches no path. Going through its routing and its dependencies costs several times as much as what most handlers do, though; so
a plain handler is found here by its path's segments and gets the same arguments without the detour.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints

from fastapi import params
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.api.access import Access
from reconciler.api.bodies import Body
from reconciler.api.refusals import InputUnclear
from reconciler.api.tokens import Scope

_SCALARS = (str, int, float, bool, type(None))
LONGEST = 200
"""Of a segment that is a name; what is longer is left to FastAPI, which says so."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A handler that can be called directly.

    Attributes:
        scope: what the caller needs.
        access: the parameter that gets the caller's reach.
        names: of the path's parameters, in its order.
        takes_query: it looks at the query, where there is one.
        request: the parameter that gets the request as it came.
        body, adapter: the parameter that gets the body, and what reads it; None without one.
    """

    endpoint: Callable[..., Any]
    scope: Scope
    access: str
    names: tuple[str, ...]
    takes_query: bool
    request: str = ""
    body: str = ""
    adapter: TypeAdapter[Any] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], values: Iterable[str], body: Body) -> Response:
        """Call it.

        Raises:
            Forbidden: the caller may not.
            InputUnclear: the body is not what the handler takes.
        """
        access = Access(scope)
        access.caller.needs(self.scope)
        arguments: dict[str, Any] = {self.access: access, **dict(zip(self.names, values, strict=True))}
        if self.request:
            arguments[self.request] = Request(scope, body.receive)
        if self.adapter is not None:
            try:
                arguments[self.body] = self.adapter.validate_json(await body.all())
            except ValidationError as error:
                raise InputUnclear(sentence(error.errors(include_url=False, include_input=False), "body")) from None
        answer: Response = await self.endpoint(**arguments)
        return answer


@dataclass(frozen=True, slots=True)
class _Entry:
    """A route by its segments; `plain` is None where FastAPI serves it."""

    route: APIRoute
    fixed: tuple[tuple[int, str], ...]
    free: tuple[int, ...]
    plain: Plain | None


class Direct:
    """Plain handlers by method and path."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._entries: dict[tuple[str, int, str], list[_Entry]] = {}
        for route in routes:
            if isinstance(route, APIRoute):
                self._add(route)

    def find(self, method: str, path: str, *, query: bool) -> tuple[APIRoute, Plain, list[str]] | None:
        """The route, its handler and its parameters' values; None where FastAPI has to serve it."""
        parts = path.split("/")
        key = parts[3] if len(parts) > 3 else ""
        for entry in self._entries.get((method, len(parts), key), ()):
            if all(parts[index] == word for index, word in entry.fixed):
                values = [parts[index] for index in entry.free]
                plain = entry.plain
                if plain is None or (query and plain.takes_query):
                    return None
                if not all(0 < len(value) <= LONGEST for value in values):
                    return None
                return entry.route, plain, values
        return None

    def _add(self, route: APIRoute) -> None:
        parts = route.path.split("/")
        if ":path}" in route.path:
            return
        free = tuple(index for index, part in enumerate(parts) if part.startswith("{"))
        fixed = tuple((index, part) for index, part in enumerate(parts) if index not in free)
        if 3 in free:
            return
        entry = _Entry(route, fixed, free, _plain(route, [parts[index][1:-1] for index in free]))
        key = parts[3] if len(parts) > 3 else ""
        for method in route.methods or ():
            self._entries.setdefault((method, len(parts), key), []).append(entry)


def _plain(route: APIRoute, names: list[str]) -> Plain | None:
    """How to call a route's handler directly; None where it takes more than a path, a body and the caller."""
    hints = get_type_hints(route.endpoint, include_extras=True)
    if hints.get("return") is not Response or route.dependencies:
        return None
    access, request, body, scope, takes_query = "", "", "", None, False
    adapter: TypeAdapter[Any] | None = None
    for name, parameter in inspect.signature(route.endpoint).parameters.items():
        hint = hints.get(name)
        wanted = _scope_of(hint)
        if wanted is not None:
            access, scope = name, wanted
        elif hint is Request:
            request = name
        elif name in names:
            if not _is_name(hint):
                return None
        elif _is_query(hint, parameter):
            takes_query = True
        elif _is_body(hint, parameter) and adapter is None:
            body, adapter = name, TypeAdapter(cast(Any, hint))
        else:
            return None
    if scope is None:
        return None
    return Plain(route.endpoint, scope, access, tuple(names), takes_query, request, body, adapter)


def _scope_of(hint: Any) -> Scope | None:
    """The scope that a parameter's dependency asks for; None where it is no such dependency."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, params.Depends):
            found: Scope | None = getattr(extra.dependency, "fleet_scope", None)
            return found
    return None


def _is_name(hint: Any) -> bool:
    """Whether any text of up to 200 characters will do."""
    if hint is str:
        return True
    if get_origin(hint) is not Annotated or get_args(hint)[0] is not str:
        return False
    for extra in hint.__metadata__:
        if isinstance(extra, params.Path):
            limits = {type(one).__name__: one for one in extra.metadata}
            longest = getattr(limits.pop("MaxLen", None), "max_length", LONGEST)
            shortest = getattr(limits.pop("MinLen", None), "min_length", 1)
            return not limits and longest >= LONGEST and shortest <= 1
    return False


def _is_query(hint: Any, parameter: inspect.Parameter) -> bool:
    """Whether a parameter may be left out, and comes from the query where it is not."""
    if parameter.default is inspect.Parameter.empty:
        return False
    extras = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, params.Param | params.Depends)]
    if extras:
        return all(isinstance(extra, params.Query) for extra in extras)
    return all(kind in _SCALARS for kind in (get_args(hint) or (hint,)))


def _is_body(hint: Any, parameter: inspect.Parameter) -> bool:
    if parameter.default is not inspect.Parameter.empty:
        return False
    return _is_model(hint)


def _is_model(hint: Any) -> bool:
    return hasattr(hint, "__pydantic_core_schema__") or hasattr(hint, "__dataclass_fields__")


def sentence(problems: Iterable[Any], place: str = "") -> str:
    """What is wrong with an input, with the place of each problem."""
    lines = []
    for one in problems:
        where = ".".join(str(part) for part in ((place, *one["loc"]) if place else one["loc"]))
        lines.append(f"{where}: {one['msg']}")
    return "; ".join(lines) or "the request cannot be read"
