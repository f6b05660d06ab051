"""An event in one sentence, the same in `fleet events`, `fleet why`, the API and notifications.

Types without a sentence of their own fall back to their name and identifying fields, so that a new event type is
readable from its first day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.events.envelope import Event
from reconciler.events.sentences_of_talk import SENTENCES as _OF_TALK
from reconciler.events.sentences_of_work import SENTENCES as _OF_WORK

Data = dict[str, Any]


def _replica(data: Data) -> str:
    return f"{data['service']}/{data['replica']}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _process(data: Data) -> str:
    return f"specialist/{data['pool']}/{data['replica']}"


def _pool(data: Data) -> str:
    return f"specialist/{data['pool']}" + (f"/{data['replica']}" if data.get("replica") else "")


def _short(container_id: str) -> str:
    return container_id[:12]


def _changes(reason: Data) -> str:
    changes = reason.get("changes") or []
    if not changes:
        return ""
    named = ", ".join(str(change["path"]) for change in changes[:3])
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return f" [{named}{more}]"


def _ended(data: Data) -> str:
    how = "ran out of memory and was killed" if data.get("oom_killed") else f"exited with code {data['exit_code']}"
    return f"container {_replica(data)} {how}; Fleet did not do it"


def _place(problem: Data) -> str:
    return f"line {problem['line']}: {problem['message']}" if problem.get("line") else str(problem["message"])


def _source(data: Data) -> str:
    commit = f" at commit {data['commit'][:12]}" if data.get("commit") else ""
    author = f" by {data['author']}" if data.get("author") else ""
    return commit + author


_SENTENCES: dict[str, Callable[[Data], str]] = {
    **_OF_WORK,
    **_OF_TALK,
    "revision_accepted": lambda d: f"revision {d['revision']} of the file was accepted{_source(d)}",
    "revision_rejected": lambda d: (
        f"revision {d['revision']} of the file was rejected{_source(d)}"
        + (f", {_place(d['problems'][0])}" if d.get("problems") else "")
    ),
    "revision_reverted": lambda d: (
        f"revision {d['revision']} was {'automatically ' if d.get('automatic') else ''}"
        f"rolled back to {d['to_revision']}" + (f": {d['why']}" if d.get("why") else "")
    ),
    "apply_started": lambda d: f"an apply of revision {d['revision']} started",
    "apply_completed": lambda d: (
        f"the apply {d['status'].replace('_', ' ')}: {d['done']} done, {d['failed']} failed, {d['skipped']} skipped"
    ),
    "plan_confirmed": lambda d: f"the plan was confirmed by {d['confirmed_by']} ({d['how']})",
    "plan_refused": lambda d: f"a saved plan was refused as stale: {', '.join(d['moved'])}",
    "network_created": lambda d: f"network {d['engine_name']} was created",
    "network_removed": lambda d: f"network {d['engine_name']} was removed",
    "volume_created": lambda d: f"volume {d['engine_name']} was created",
    "network_vanished": lambda d: f"network {d['engine_name']} is gone; Fleet did not remove it",
    "volume_vanished": lambda d: f"volume {d['engine_name']} is gone; Fleet did not remove it",
    "image_pulled": lambda d: f"image {d['image']} was pulled ({d['image_id'][:19]})",
    "image_built": lambda d: f"image {d['image']} was built ({d['image_id'][:19]})",
    "handler_notified": lambda d: f"handler {d['handler']} was notified by service/{d['service']}",
    "handler_completed": lambda d: f"handler {d['handler']} ran",
    "handler_failed": lambda d: f"handler {d['handler']} failed: {d['error']}",
    "resource_suspended": lambda d: f"{d['resource'] or 'the fleet'} was suspended: {d['why']}",
    "resource_resumed": lambda d: f"{d['resource'] or 'the fleet'} was resumed",
    "resource_moved": lambda d: f"{d['from_resource']} became {d['to_resource']}",
    "service_defined": lambda d: f"service/{d['service']} was defined ({d['digest']})",
    "service_removed": lambda d: f"service/{d['service']} left the fleet",
    "service_reverted": lambda d: f"service/{d['service']} went back to {d['to_digest']}: {d['why']}",
    "service_stop_requested": lambda d: f"service/{d['service']} was asked to stop",
    "service_start_requested": lambda d: f"service/{d['service']} was asked to start",
    "action_intended": lambda d: (
        f"{d['action'].replace('_', ' ')} {d['resource']}"
        + (f"/{d['replica']}" if d.get("replica") else "")
        + f" was decided: {d['reason']['text']}{_changes(d['reason'])}"
    ),
    "action_failed": lambda d: f"{d['action'].replace('_', ' ')} {d['resource']} failed: {d['error']}",
    "action_skipped": lambda d: f"{d['action'].replace('_', ' ')} {d['resource']} was skipped: {d['because']}",
    "container_created": lambda d: f"container {d['name']} was created ({_short(d['container_id'])})",
    "container_started": lambda d: (
        f"container {_replica(d)} was started" + ("; Fleet did not do it" if d.get("external") else "")
    ),
    "container_stopped": lambda d: f"container {_replica(d)} was stopped",
    "container_exited": _ended,
    "container_removed": lambda d: f"container {_replica(d)} was removed ({_short(d['container_id'])})",
    "container_vanished": lambda d: f"container {_replica(d)} is gone; Fleet did not remove it",
    "container_found": lambda d: f"container {d['name']} was found running unrecorded ({_short(d['container_id'])})",
    "container_updated": lambda d: f"limits of container {_replica(d)} were changed in place",
    "container_renamed": lambda d: f"container {_replica(d)} was renamed to {d['name']}",
    "container_adopted": lambda d: f"container {d['name']} was taken over as {_replica(d)}",
    "container_paused": lambda d: f"container {_replica(d)} was paused; Fleet did not do it",
    "container_health_changed": lambda d: f"container {_replica(d)} became {d['health']}",
    "container_drifted": lambda d: (
        f"container {_replica(d)} drifted: {d['field']} is {d['actual']!r}, expected {d['expected']!r}"
    ),
    "job_completed": lambda d: f"job {_replica(d)} completed with exit code {d['exit_code']}",
    "backoff_started": lambda d: (
        f"container {_replica(d)} failed {_times(d['failures'])}; "
        + (f"next try in {d['delay_ms'] / 1000:g} s" if d["delay_ms"] else "it is tried again at once")
    ),
    "backoff_reset": lambda d: f"container {_replica(d)} runs steadily again",
    "restart_abandoned": lambda d: f"restarting {_replica(d)} was given up after {d['failures']} tries: {d['why']}",
    "specialist_defined": lambda d: f"specialist/{d['pool']} was defined ({d['digest']})",
    "specialist_removed": lambda d: f"specialist/{d['pool']} left the fleet",
    "specialist_stop_requested": lambda d: f"{_pool(d)} was asked to stop",
    "specialist_start_requested": lambda d: f"{_pool(d)} was asked to start",
    "specialist_process_started": lambda d: f"{_process(d)} was started as process {d['pid']}",
    "specialist_process_found": lambda d: f"{_process(d)} was found running unrecorded as process {d['pid']}",
    "specialist_process_stopped": lambda d: f"{_process(d)} was stopped",
    "specialist_process_exited": lambda d: (
        f"{_process(d)} ended"
        + (f" with exit code {d['exit_code']}" if d.get("exit_code") is not None else "")
        + "; Fleet did not do it"
    ),
    "specialist_process_paused": lambda d: f"{_process(d)} was paused; Fleet did not do it",
    "specialist_process_drained": lambda d: f"{_process(d)} takes nothing more, and goes when it has finished",
    "specialist_process_resumed": lambda d: (
        f"{_process(d)} goes on" + ("; Fleet did not do it" if d.get("external") else "")
    ),
    "specialist_backoff_started": lambda d: (
        f"{_process(d)} failed {d['failures']} times; next try in {d['delay_ms'] / 1000:g} s"
    ),
    "specialist_backoff_reset": lambda d: f"{_process(d)} runs steadily again",
    "specialist_restart_abandoned": lambda d: (
        f"starting {_process(d)} was given up after {d['failures']} tries: {d['why']}"
    ),
    "lease_acquired": lambda d: f"{d['holder']} took the writer's lease to {d['purpose']}",
    "lease_released": lambda d: f"{d['holder']} gave the writer's lease back",
    "lease_broken": lambda d: f"{d['by']} broke the lease of {d['holder']}",
    "database_migrated": lambda d: f"the database was migrated to {d['to_revision']}",
}

_IDENTIFYING = ("title", "name", "reason", "status_message", "new_status", "file_path", "message_type", "key", "path")


def sentence(event: Event) -> str:
    """What happened, in one sentence without a full stop."""
    make = _SENTENCES.get(event.event_type)
    if make is not None:
        try:
            return make(event.data)
        except (KeyError, TypeError, IndexError, AttributeError):
            # A log is read for ever; an event written by another release may lack what its sentence names.
            pass
    told = [str(event.data[field]) for field in _IDENTIFYING if event.data.get(field)]
    words = event.event_type.replace("_", " ")
    return f"{event.stream_type}/{event.stream_id}: {words}" + (f" ({', '.join(told)})" if told else "")
