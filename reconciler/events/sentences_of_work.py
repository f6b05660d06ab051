"""Events of missions, sorties and their reviews in one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Data = dict[str, Any]


def _about(data: Data, key: str, before: str = ": ") -> str:
    return f"{before}{' '.join(str(data[key]).split())}" if data.get(key) else ""


def _words(status: str) -> str:
    return status.replace("_", " ")


def _again(data: Data) -> str:
    return "; it is not tried again" if data.get("final") else "; it is tried again" if data.get("retry_at") else ""


def _sorties(count: int) -> str:
    return "1 sortie" if count == 1 else f"{count} sorties"


def _took(data: Data) -> str:
    return f" in {data['duration_ms'] / 1000:.1f} s"


SENTENCES: dict[str, Callable[[Data], str]] = {
    "sortie_created": lambda d: f"{d['sortie_id']} was made: {d['title']}",
    "sortie_updated": lambda d: f"{d['sortie_id']} was changed: {', '.join(sorted(d['changes']))}",
    "sortie_status_changed": lambda d: (
        f"{d['sortie_id']} went from {_words(d['previous_status'])} to {_words(d['new_status'])}{_about(d, 'reason')}"
    ),
    "sortie_started": lambda d: f"{d['specialist_id']} began to work on {d['sortie_id']}",
    "sortie_attempt_started": lambda d: f"attempt {d['attempt']} of {d['sortie_id']} began, by {d['specialist_id']}",
    "sortie_progress": lambda d: f"{d['sortie_id']} is at {d['progress']:g} %{_about(d, 'status_message')}",
    "sortie_completed": lambda d: (
        f"{d['specialist_id']} completed {d['sortie_id']}{_took(d)}{_about(d['result'], 'summary')}"
    ),
    "sortie_blocked": lambda d: f"{d['sortie_id']} is blocked{_about(d, 'reason')}",
    "sortie_closed": lambda d: f"{d['sortie_id']} was closed by {d['closed_by']} as {d['close_reason']}",
    "sortie_attempt_failed": lambda d: (
        f"attempt {d['attempt']} of {d['sortie_id']} failed{_about(d, 'error')}{_again(d)}"
    ),
    "sortie_lease_renewed": lambda d: f"{d['specialist_id']} still works on {d['sortie_id']}",
    "sortie_lease_expired": lambda d: (
        f"attempt {d['attempt']} of {d['sortie_id']} was taken from {d['specialist_id']}, which fell silent"
    ),
    "sortie_result_reported": lambda d: (
        f"{d['specialist_id']} handed in a result of {d['sortie_id']}{_took(d)}, for review"
    ),
    "sortie_result_refused": lambda d: (
        f"a {d['what']} of {d['specialist_id']} for {d['sortie_id']} came too late{_about(d, 'reason')}"
    ),
    "sortie_changes_requested": lambda d: f"the review sent {d['sortie_id']} back{_about(d, 'feedback')}",
    "sortie_retried": lambda d: f"{d['retried_by']} had {d['sortie_id']} tried again",
    "dispatch_evaluated": lambda d: f"{d['sortie_id']} could go to {', '.join(d['candidates'])}",
    "dispatch_assigned": lambda d: f"{d['sortie_id']} was given to {d['specialist_id']}",
    "dispatch_rejected": lambda d: f"{d['sortie_id']} waits{_about(d, 'reason')}",
    "review_started": lambda d: f"{d['reviewer_id']} began to review {d['sortie_id']}",
    "review_completed": lambda d: (
        f"{d['reviewer_id']} reviewed {d['sortie_id']}: {_words(d['verdict'])}{_about(d, 'feedback', ', ')}"
    ),
    "artifact_recorded": lambda d: f"{d['sortie_id']} made {d['path']}",
    "mission_created": lambda d: f"{d['mission_id']} was made: {d['title']}",
    "mission_definition_frozen": lambda d: f"{d['mission_id']} keeps this definition until it ends ({d['digest']})",
    "mission_started": lambda d: f"{d['mission_id']} began",
    "mission_updated": lambda d: f"{d['mission_id']} was changed: {', '.join(sorted(d['changes']))}",
    "mission_status_changed": lambda d: (
        f"{d['mission_id']} went from {_words(d['previous_status'])} to {_words(d['new_status'])}{_about(d, 'reason')}"
    ),
    "mission_completed": lambda d: (
        f"{d['mission_id']} {'was completed' if d['result']['success'] else 'failed'}{_took(d)}, "
        f"{_sorties(d['result']['sorties_completed'])} done{_about(d['result'], 'summary')}"
    ),
    "mission_archived": lambda d: f"{d['archived_by']} put {d['mission_id']} away",
}
