"""The container engine of a fleet that needs none: nothing runs in it, and whoever asks it for something learns why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from reconciler.errors import FleetError

if TYPE_CHECKING:
    from reconciler.runtime.model import ContainerRuntime


class _Absent:
    def __init__(self, error: FleetError) -> None:
        self._error = error

    def __getattr__(self, verb: str) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise self._error

        return refuse


def absent(error: FleetError) -> ContainerRuntime:
    """An engine of which every verb raises this error."""
    return cast("ContainerRuntime", _Absent(error))
