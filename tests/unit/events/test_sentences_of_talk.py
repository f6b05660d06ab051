"""Messages, reservations and checkpoints as a person reads of them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.events.sentences_of_talk import SENTENCES

_LOCK = {"specialist_id": "ann", "file_path": "a.py"}
_CONFLICT = {"requesting_specialist": "bob", "holding_specialist": "ann", "file_path": "a.py"}
_RECOVERED: dict[str, Any] = {"specialist_id": "bob", "checkpoint_id": "ckpt_1", "sorties_resumed": ["s1"]}


@pytest.mark.parametrize(
    ("event_type", "data", "told"),
    [
        ("squawk_sent", {"mailbox_id": "ann", "message_type": "note"}, "somebody wrote to ann (note)"),
        (
            "squawk_sent",
            {"mailbox_id": "ann", "message_type": "ask", "sender_id": "bob", "priority": "urgent"},
            "bob wrote to ann (ask, urgent)",
        ),
        ("squawk_read", {"reader_id": "ann", "message_id": "m1"}, "ann read m1"),
        ("squawk_acked", {"acker_id": "ann", "message_id": "m1"}, "ann dealt with m1"),
        (
            "squawk_requeued",
            {"message_id": "m1", "mailbox_id": "ann", "reason": "bob died"},
            "m1 waits anew for ann: bob died",
        ),
        (
            "squawk_thread_created",
            {"participants": ["ann", "bob"], "thread_id": "t1"},
            "ann, bob began the conversation t1",
        ),
        ("ctk_reserved", _LOCK, "ann reserved a.py to edit it"),
        ("ctk_released", _LOCK, "ann gave back the reservation of a.py"),
        ("ctk_released", {**_LOCK, "release_reason": "crash"}, "ann left behind the reservation of a.py"),
        (
            "ctk_conflict",
            {**_CONFLICT, "conflict_type": "concurrent_edit"},
            "bob asked for a.py and was refused, for ann holds it",
        ),
        (
            "ctk_conflict",
            {**_CONFLICT, "conflict_type": "stale_lock"},
            "bob asked for a.py and took over from ann, whose time was over",
        ),
        (
            "ctk_deadlock_detected",
            {"specialists": ["ann", "bob"], "file_paths": ["b", "a"]},
            "a deadlock: ann waits for b of bob, bob waits for a of ann",
        ),
        (
            "checkpoint_created",
            {"specialist_id": "ann", "context": {"trigger": "shutdown"}, "active_sorties": ["s1"]},
            "a checkpoint of ann was taken (shutdown, 1 open)",
        ),
        ("checkpoint_pruned", {"checkpoint_id": "ckpt_1"}, "ckpt_1 was thrown away (requested)"),
        ("fleet_recovered", {**_RECOVERED, "context_restored": True}, "bob went on from ckpt_1: 1 sortie to take up"),
        (
            "fleet_recovered",
            {**_RECOVERED, "sorties_resumed": [], "context_restored": False},
            "bob went on from ckpt_1: 0 sorties to take up, though not all could be had again",
        ),
        (
            "context_injected",
            {"specialist_id": "bob", "injection_type": "checkpoint"},
            "bob was told what is known (checkpoint)",
        ),
    ],
)
def test_it_is_told_in_a_sentence(event_type: str, data: dict[str, Any], told: str) -> None:
    assert SENTENCES[event_type](data) == told
