"""The server's own lines, by structlog: JSON, one a line, to standard error. A token or a body never stands in one."""

from __future__ import annotations

import sys
from typing import Any

import structlog


def request_log() -> Any:
    """The log of requests. Everything that it is told belongs to one request, and names its id."""
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    )
