"""Traces by OpenTelemetry, where its endpoint is configured and its packages are installed (`pip install fleettools[traces]`).

FastAPI makes the spans; here is only the exporter that sends them away.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody configured where traces go."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(environ.get(name) for name in ENDPOINTS)


def traced() -> bool:
    """Whether spans are made in this process."""
    from opentelemetry import trace

    return hasattr(trace.get_tracer_provider(), "add_span_processor")
