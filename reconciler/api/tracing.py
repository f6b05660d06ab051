"""Traces by OpenTelemetry, where its endpoint is configured and its packages are installed (`fleettools[traces]`).

One span a request, tied to the caller's where that sent a `traceparent`. Without an endpoint nothing of it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from reconciler import __version__

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody configured where traces go."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(environ.get(name) for name in ENDPOINTS)


class Spans:
    """Makes a span of each request and sends it away in batches.

    Raises:
        ImportError: OpenTelemetry's packages are not installed.
    """

    def __init__(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "fleet")})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("reconciler.api", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._kind = SpanKind.SERVER

    def begin(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> Any:
        """The span of a request that has come in."""
        carrier = {
            name: headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in headers
        }
        attributes = {"http.request.method": method, "url.path": path}
        parent = self._propagator.extract(carrier)
        return self._tracer.start_span(method, context=parent, kind=self._kind, attributes=attributes)

    def end(self, span: Any, method: str, route: str, status: int, request_id: str) -> None:
        """The request was answered."""
        from opentelemetry.trace import StatusCode

        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status, "fleet.request_id": request_id})
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what was not sent yet, and end."""
        self._provider.shutdown()


def spans(environ: Mapping[str, str] = os.environ) -> Spans | None:
    """Spans, where somebody wants them and they can be had; otherwise None, with a line where only the packages lack."""
    if not wanted(environ):
        return None
    try:
        return Spans()
    except ImportError as missing:
        from reconciler.api.journal import request_log

        request_log().warning("traces are wanted and cannot be made", missing=missing.name, hint="fleettools[traces]")
        return None
