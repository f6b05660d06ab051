"""How the door says no, before or beside what the rooms below say.

FleetError
├── Unauthorized           401   no token, or one that nobody knows
├── Forbidden              403   a token that does not reach so far
│   └── OriginRefused      403   a web page of somebody else
├── PathUnknown         404/405  nothing is there, or not for this method
├── RequestTooSlow         408   the body did not arrive in time
├── StaleVersion           412   `If-Match` names a version that is over
├── BodyTooLarge           413
├── MediaRefused           415   a body that is no JSON
├── HostRefused            421   a name that is not ours
├── InputUnclear           422   a parameter or body that cannot be read
│   └── KeyReused          422   an idempotency key with another body
└── TooMany                429
"""

from __future__ import annotations

from reconciler.errors import FleetError


class Unauthorized(FleetError):
    """No token, or one that nobody knows."""

    http_status = 401
    code = "unauthorized"


class Forbidden(FleetError):
    """The caller is known and may not do this."""

    http_status = 403
    code = "forbidden"


class OriginRefused(Forbidden):
    """A web page that was not let in makes a browser ask."""

    code = "origin_refused"


class RequestTooSlow(FleetError):
    """The body did not arrive in time."""

    http_status = 408
    code = "request_too_slow"


class StaleVersion(FleetError):
    """The thing has changed since the version that `If-Match` names."""

    http_status = 412
    code = "stale_version"


class BodyTooLarge(FleetError):
    """More bytes than a request may have."""

    http_status = 413
    code = "body_too_large"


class MediaRefused(FleetError):
    """A body that does not say it is JSON."""

    http_status = 415
    code = "media_refused"


class HostRefused(FleetError):
    """The request was meant for a host of another name."""

    http_status = 421
    code = "host_refused"


class InputUnclear(FleetError):
    """A parameter or a body that cannot be read."""

    http_status = 422
    code = "input_unclear"


class KeyReused(InputUnclear):
    """An idempotency key came again with another body, method or path."""

    code = "key_reused"


class TooMany(FleetError):
    """More requests than are let through; says when to come again.

    Attributes:
        retry_after_s: whole seconds to wait.
    """

    http_status = 429
    code = "too_many"

    def __init__(self, what: str, *, retry_after_s: int = 1, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.retry_after_s = retry_after_s


class PathUnknown(FleetError):
    """There is nothing at this path, or not for this method."""

    code = "path_unknown"

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what, hint="/openapi.json lists what there is")
        self.http_status = status  # type: ignore[misc]
