"""The older endpoints, exactly as they were: mailboxes, cursors, locks, the coordinator's state."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1", tags=["older"])
