"""Harnesses: a sortie and a specialist's way of working become a command, and what the command prints becomes a result.

Nothing here runs anything. A command is a value; a reader is fed the bytes that somebody else read. What comes out of a
command is data: it is cleaned, bounded and typed here, and never decides what is recorded beyond its own result.
"""

from reconciler.work.harness.build import build
from reconciler.work.harness.model import Command, Ended, Harnessed, Job, Limits, Outcome, Report, Used
from reconciler.work.harness.readers import Reader, reader_for

__all__ = [
    "Command",
    "Ended",
    "Harnessed",
    "Job",
    "Limits",
    "Outcome",
    "Reader",
    "Report",
    "Used",
    "build",
    "reader_for",
]
