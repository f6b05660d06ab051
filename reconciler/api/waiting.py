"""Long polling: a request that waits until there is something for it, or its patience is over.

It asks again only when something was recorded that may have made a difference, and now and then because time alone can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from reconciler.api.service import Service
from reconciler.projections.store import EventQuery

T = TypeVar("T")
LONGEST_MS = 60_000
_ASK_AGAIN_S = 1.0

WORK_OPENS = frozenset(
    {
        "ctk_released",
        "mission_started",
        "mission_status_changed",
        "review_abandoned",
        "review_completed",
        "sortie_attempt_failed",
        "sortie_changes_requested",
        "sortie_closed",
        "sortie_completed",
        "sortie_created",
        "sortie_lease_expired",
        "sortie_result_reported",
        "sortie_retried",
        "sortie_status_changed",
        "sortie_updated",
        "specialist_completed",
        "specialist_deactivated",
        "specialist_registered",
    }
)
"""Events after which there may be something to do for somebody who found nothing."""


async def until_found(
    service: Service, attempt: Callable[[], Awaitable[T | None]], wait_ms: int, types: Collection[str] = WORK_OPENS
) -> T | None:
    """What an attempt finds, as soon as it finds something; None when it never did within `wait_ms`.

    Args:
        attempt: asked at once, and again after events of these types. A refusal of it ends the waiting.
    """
    found = await attempt()
    if found is not None or wait_ms <= 0:
        return found
    loop = asyncio.get_running_loop()
    end = loop.time() + min(wait_ms, LONGEST_MS) / 1000
    async with service.following as following:
        position = following.head
        while found is None and (left := end - loop.time()) > 0 and not service.ending.is_set():
            if await following.wait(position, min(left, _ASK_AGAIN_S)):
                frames, position = await following.after(position, EventQuery(types=tuple(types)))
                if not any(frame.event.event_type in types for frame in frames):
                    continue
            found = await attempt()
    return found
