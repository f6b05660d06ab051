"""Processes of this machine as a runtime: started detached, found again by the marks in their environment."""

from reconciler.runtime.process.local import LocalProcesses
from reconciler.runtime.process.model import (
    ObservedProcess,
    ObservedProcesses,
    ProcessOrder,
    ProcessRuntime,
    environment_of,
)

__all__ = [
    "LocalProcesses",
    "ObservedProcess",
    "ObservedProcesses",
    "ProcessOrder",
    "ProcessRuntime",
    "environment_of",
]
