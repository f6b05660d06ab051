"""Events of messages, reservations and checkpoints in one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Data = dict[str, Any]

_CONFLICTS = {
    "concurrent_edit": "was refused, for {holding_specialist} holds it",
    "stale_lock": "took over from {holding_specialist}, whose time was over",
    "checksum_mismatch": "found it changed, though {holding_specialist} was to read it only",
}
_ENDS = {"explicit": "gave back", "timeout": "lost in time", "crash": "left behind"}


def _urgency(data: Data) -> str:
    priority = data.get("priority", "normal")
    return "" if priority == "normal" else f", {priority}"


def _deadlock(data: Data) -> str:
    who, paths = data["specialists"], data["file_paths"]
    steps = (f"{one} waits for {paths[i]} of {who[(i + 1) % len(who)]}" for i, one in enumerate(who))
    return "a deadlock: " + ", ".join(steps)


def _resumed(data: Data) -> str:
    count = len(data["sorties_resumed"])
    more = "" if data["context_restored"] else ", though not all could be had again"
    return f"{count} {'sortie' if count == 1 else 'sorties'} to take up{more}"


SENTENCES: dict[str, Callable[[Data], str]] = {
    "squawk_sent": lambda d: (
        f"{d.get('sender_id') or 'somebody'} wrote to {d['mailbox_id']} ({d['message_type']}{_urgency(d)})"
    ),
    "squawk_read": lambda d: f"{d['reader_id']} read {d['message_id']}",
    "squawk_acked": lambda d: f"{d['acker_id']} dealt with {d['message_id']}",
    "squawk_requeued": lambda d: f"{d['message_id']} waits anew for {d['mailbox_id']}: {d['reason']}",
    "squawk_thread_created": lambda d: f"{', '.join(d['participants'])} began the conversation {d['thread_id']}",
    "ctk_reserved": lambda d: f"{d['specialist_id']} reserved {d['file_path']} to {d.get('purpose', 'edit')} it",
    "ctk_released": lambda d: (
        f"{d['specialist_id']} {_ENDS[d.get('release_reason', 'explicit')]} the reservation of {d['file_path']}"
    ),
    "ctk_conflict": lambda d: (
        f"{d['requesting_specialist']} asked for {d['file_path']} and {_CONFLICTS[d['conflict_type']].format(**d)}"
    ),
    "ctk_deadlock_detected": _deadlock,
    "checkpoint_created": lambda d: (
        f"a checkpoint of {d['context'].get('mission_id') or d['specialist_id']} was taken"
        f" ({d['context'].get('trigger', 'manual')}, {len(d['active_sorties'])} open)"
    ),
    "checkpoint_pruned": lambda d: f"{d['checkpoint_id']} was thrown away ({d.get('reason', 'requested')})",
    "fleet_recovered": lambda d: f"{d['specialist_id']} went on from {d['checkpoint_id']}: {_resumed(d)}",
    "context_injected": lambda d: f"{d['specialist_id']} was told what is known ({d['injection_type']})",
}
