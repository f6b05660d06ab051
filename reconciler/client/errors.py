"""Errors that come over HTTP: the server's refusal is raised again as the error that it was there.

So a program that asks the desk through HTTP catches the same classes as one that has the log in reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import FleetError


class ServerUnreachable(FleetError):
    """The server does not answer, or what answers is no Fleet."""

    exit_code = 5
    http_status = 503
    code = "server_unreachable"


class Refused(FleetError):
    """The server said no with a code that this release has no class for.

    Attributes:
        status: the HTTP status.
        problem: the problem document.
    """

    def __init__(self, what: str, *, status: int, problem: Mapping[str, Any], hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.status = status
        self.problem = dict(problem)


def error_of(status: int, problem: Mapping[str, Any]) -> FleetError:
    """The error that a problem document tells of."""
    what = str(problem.get("detail") or problem.get("error") or problem.get("title") or f"HTTP status {status}")
    hint = str(problem.get("hint") or "")
    kind = _classes().get(str(problem.get("code") or ""))
    if kind is None:
        return Refused(what, status=status, problem=problem, hint=hint)
    error = kind.__new__(kind)
    FleetError.__init__(error, what, where=str(problem.get("where") or ""), hint=hint)
    for name, value in _more(kind, problem).items():
        setattr(error, name, value)
    return error


def _more(kind: type[FleetError], problem: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that some errors carry beside the sentence."""
    from reconciler.errors import Problem, SpecInvalid
    from reconciler.work.refusals import LockConflict, WorkRefused

    found: dict[str, Any] = {}
    if issubclass(kind, WorkRefused):
        # What the refusal records has been recorded by the server.
        found["record"] = ()
    if issubclass(kind, LockConflict):
        found |= {name: problem.get(name, "") for name in ("lock_id", "holder")}
        found["expires_at"] = problem.get("expires_at", 0)
    if issubclass(kind, SpecInvalid):
        known = Problem.__dataclass_fields__
        told = problem.get("problems") or ()
        found["problems"] = tuple(Problem(**{key: one[key] for key in known if key in one}) for one in told)
    return found


def _classes() -> dict[str, type[FleetError]]:
    import reconciler.work.refusals  # noqa: F401 - defines the refusals

    found: dict[str, type[FleetError]] = {}
    todo: list[type[FleetError]] = [FleetError]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind.__module__ in ("reconciler.errors", "reconciler.work.refusals") and kind is not FleetError:
            found[kind.code] = kind
    return found
