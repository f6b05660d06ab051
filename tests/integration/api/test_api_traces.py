"""Traces: a span of each request reaches the collector that the environment names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from reconciler.api.tracing import spans, wanted
from tests.support.serving import served

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Takes what is exported."""
    found: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", found
        finally:
            server.shutdown()
            thread.join()


def test_a_request_is_a_span_below_its_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (url, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        with served(tmp_path) as api:
            answer = api.admin.get("/api/v1/specialists/nobody", headers={"traceparent": PARENT})
            assert answer.status_code == 404
    (span,) = found
    assert span.name == "GET /api/v1/specialists/{specialist_id}"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    told = {one.key: one.value for one in span.attributes}
    assert told["http.response.status_code"].int_value == 404
    assert told["fleet.request_id"].string_value == answer.headers["x-request-id"]


def test_nothing_is_traced_where_nobody_asked_for_it() -> None:
    assert spans({}) is None
    assert not wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"})
