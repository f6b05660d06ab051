"""Who asks, and what that reaches.

Scopes build on each other only where that is certain: `admin` holds all; `apply` and `work` hold `read`. A specialist's
token works as that specialist and as nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from reconciler.api.refusals import Forbidden
from reconciler.api.tokens import Scope, Token

_HOLDS: dict[Scope, frozenset[Scope]] = {
    "read": frozenset({"read"}),
    "work": frozenset({"read", "work"}),
    "apply": frozenset({"read", "apply"}),
    "admin": frozenset({"read", "work", "apply", "admin"}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        actor: as it stands in the log.
        reach: every scope that the caller has.
        specialist: the one specialist that the caller is; empty for others.
    """

    actor: str
    reach: frozenset[Scope]
    specialist: str = ""

    def needs(self, scope: Scope) -> None:
        """Refuse who does not have this scope.

        Raises:
            Forbidden: the token does not allow it.
        """
        if scope not in self.reach:
            raise Forbidden(f"{self.actor} has no scope {scope!r}", hint=f"fleet tokens create NAME --scope {scope}")

    def acts_as(self, specialist_id: str) -> None:
        """Refuse a specialist that acts as another.

        Raises:
            Forbidden: it is somebody else's id.
        """
        if self.specialist and specialist_id != self.specialist:
            raise Forbidden(f"{self.specialist} may act as itself only, not as {specialist_id}")


@lru_cache(maxsize=1024)
def caller_of(token: Token) -> Caller:
    """Who bears this token."""
    scopes = token.scopes or (("work",) if token.specialist else ())
    reach = frozenset[Scope]().union(*(_HOLDS[scope] for scope in scopes))
    return Caller(token.specialist or token.name, reach, token.specialist)


def from_this_machine(actor: str) -> Caller:
    """Who comes without a token where that is allowed: may work, and may not change what the fleet is."""
    return Caller(actor, _HOLDS["work"])
