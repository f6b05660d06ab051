"""Every event type by name: its family, its stream and the version of its fields that is written today.

A plain table, so that listing, sorting or recognising types costs nothing. The models behind it are imported one family
at a time, when something is about to be appended or a person asks what a type means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.errors import FleetError
from reconciler.events.envelope import StreamType

if TYPE_CHECKING:
    from reconciler.events.models.base import EventModel

_FAMILIES = "reconciler.events.models"


class EventType(NamedTuple):
    """Where a type's model lives, which stream it is usually written to, and its current schema version."""

    module: str
    stream_type: StreamType
    version: int = 1


def _family(module: str, stream_type: StreamType, names: str) -> Iterator[tuple[str, EventType]]:
    for name in names.split():
        yield name, EventType(module, stream_type)


TYPES: Mapping[str, EventType] = dict(
    [
        *_family(
            "service",
            "service",
            """service_defined service_removed service_reverted service_stop_requested service_start_requested action_intended
            action_failed action_skipped container_created container_started container_stopped container_exited
            container_removed container_vanished container_found container_updated container_renamed container_adopted
            container_paused container_health_changed container_drifted job_completed backoff_started backoff_reset
            restart_abandoned flapping_detected""",
        ),
        *_family(
            "fleet",
            "fleet",
            """revision_accepted revision_rejected revision_reverted apply_started apply_completed plan_confirmed
            plan_refused network_created network_removed network_vanished
            volume_created volume_vanished image_pulled image_built handler_notified
            handler_completed handler_failed resource_suspended resource_resumed drift_ignored resource_moved""",
        ),
        *_family(
            "system",
            "system",
            """lease_acquired lease_released lease_broken database_migrated backup_created backup_restored
            notification_delivered notification_failed fleet_detected context_compacted compaction_triggered""",
        ),
        *_family(
            "specialist",
            "specialist",
            """specialist_registered specialist_active specialist_spawned specialist_completed specialist_deactivated
            specialist_drained budget_used budget_exhausted budget_reset context_injected skill_acquired skill_invoked""",
        ),
        *_family(
            "process",
            "specialist",
            """specialist_defined specialist_removed specialist_stop_requested specialist_start_requested
            specialist_process_started specialist_process_found specialist_process_stopped specialist_process_exited
            specialist_process_paused specialist_process_drained specialist_process_resumed specialist_backoff_started
            specialist_backoff_reset specialist_restart_abandoned""",
        ),
        *_family(
            "squawk",
            "squawk",
            """squawk_sent squawk_read squawk_acked squawk_thread_created squawk_thread_activity mailbox_created
            cursor_advanced""",
        ),
        *_family("ctk", "ctk", "ctk_reserved ctk_released ctk_conflict"),
        *_family(
            "sortie",
            "sortie",
            """sortie_created sortie_updated sortie_status_changed sortie_started sortie_progress sortie_completed
            sortie_blocked sortie_closed sortie_attempt_started sortie_lease_renewed sortie_lease_expired
            sortie_result_reported sortie_attempt_failed sortie_result_refused sortie_changes_requested sortie_retried
            feedback_received
            dispatch_evaluated dispatch_assigned dispatch_rejected""",
        ),
        *_family(
            "mission",
            "mission",
            """mission_created mission_started mission_completed mission_updated mission_status_changed
            mission_archived mission_definition_frozen""",
        ),
        *_family("review", "sortie", "review_started review_completed review_abandoned"),
        *_family("work", "squawk", "squawk_requeued"),
        *_family("work", "ctk", "ctk_deadlock_detected"),
        *_family("work", "sortie", "artifact_recorded"),
        *_family("checkpoint", "checkpoint", "checkpoint_created fleet_checkpointed fleet_recovered checkpoint_pruned"),
        *_family(
            "supporting",
            "system",
            """pattern_learned pattern_applied pattern_deprecated memory_stored memory_retrieved memory_expired
            memory_invalidated history_recorded history_queried history_pruned skill_registered skill_result
            validation_started validation_passed validation_failed""",
        ),
    ]
)


class UnknownEventType(FleetError):
    """A name that no model is registered for: a typing error, or an event of a newer Fleet."""

    http_status = 422
    code = "unknown_event_type"


class EventInvalid(FleetError):
    """The data does not fit the model of its type; nothing was appended. `problems` has one sentence per field."""

    http_status = 422
    code = "event_invalid"

    def __init__(self, event_type: str, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__(f"{event_type}: {'; '.join(problems)}", hint=f"fleet events explain {event_type}")


class FieldExplanation(NamedTuple):
    """One field of an event: its type in words, and the default that is filled in where it is left out."""

    name: str
    type: str
    required: bool
    default: Any = None


class Explanation(NamedTuple):
    """What a person needs in order to write or read events of one type."""

    event_type: str
    stream_type: StreamType
    version: int
    meaning: str
    fields: tuple[FieldExplanation, ...]
    example: dict[str, Any]


def entry(event_type: str) -> EventType:
    """The table's line for a type.

    Raises:
        UnknownEventType: names the nearest known type.
    """
    found = TYPES.get(event_type)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(event_type, TYPES, n=1)
        hint = f"did you mean {near[0]}?" if near else "fleet events types lists those that this release knows"
        raise UnknownEventType(f"{event_type!r} is no event type of this release", hint=hint)
    return found


def current_version(event_type: str) -> int:
    """The schema version that new events of this type are written with.

    Raises:
        UnknownEventType: when the type is not registered.
    """
    return entry(event_type).version


@cache
def model_of(event_type: str) -> type[EventModel]:
    """The model of a type; imports its family.

    Raises:
        UnknownEventType: when the type is not registered.
    """
    family = import_module(f"{_FAMILIES}.{entry(event_type).module}")
    model: type[EventModel] = getattr(family, "".join(word.capitalize() for word in event_type.split("_")))
    return model


class _Check(NamedTuple):
    """How data of a type is validated and made ready for JSON; without the detours that a model's own methods take."""

    version: int
    validate: Callable[[Mapping[str, Any]], EventModel]
    to_json_ready: Callable[..., dict[str, Any]]


@cache
def _check_of(event_type: str) -> _Check:
    model = model_of(event_type)
    model.model_rebuild()
    return _Check(
        entry(event_type).version, model.__pydantic_validator__.validate_python, model.__pydantic_serializer__.to_python
    )


def validate(event_type: str, data: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Check data against its model; the schema version and the JSON-ready data to store.

    Defaults are written out, so that a later change of a default never rewrites what an old event said. Absent optional
    fields stay absent, which keeps events small; nothing distinguishes them from null.

    Raises:
        UnknownEventType: when the type is not registered.
        EventInvalid: when a field is missing, unknown or of the wrong type.
    """
    version, check, to_json_ready = _check_of(event_type)
    try:
        return version, to_json_ready(check(data), mode="json", exclude_none=True)
    except ValueError as error:
        raise EventInvalid(event_type, tuple(_sentences(error))) from None


def _sentences(error: ValueError) -> Iterator[str]:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        yield f"holds something that JSON cannot: {error}"
        return
    for problem in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in problem["loc"])
        yield f"{place}: {problem['msg']}" if place else problem["msg"]


def explain(event_type: str) -> Explanation:
    """What a type means, its fields, and a valid example.

    Raises:
        UnknownEventType: when the type is not registered.
    """
    from reconciler.events.examples import example
    from reconciler.events.schemas import fields_of, schema_of

    found = entry(event_type)
    schema = schema_of(event_type)
    return Explanation(
        event_type=event_type,
        stream_type=found.stream_type,
        version=found.version,
        meaning=" ".join(schema["description"].split()),
        fields=tuple(fields_of(schema)),
        example=example(schema),
    )
