"""Projects for programs, over an engine in memory or over real Podman."""

from __future__ import annotations

from tests.integration.apply.conftest import sandbox, yard

__all__ = ["sandbox", "yard"]
