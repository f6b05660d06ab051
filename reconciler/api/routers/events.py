"""The event log."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1/events", tags=["events"])
