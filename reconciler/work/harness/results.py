"""Results as a command states them: JSON objects whose fields are taken only where they have the right type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from reconciler.work.harness.model import Ended, Job, Outcome, Used
from reconciler.work.harness.text import SUMMARY_CHARACTERS, clean, ending, one_line, shortened
from reconciler.work.reviews import Verdict

MOST_ARTIFACTS = 100
MOST_ISSUES = 100
METRICS_BYTES = 65_536
_DEEPEST_OBJECTS = 200
_SEVERITIES = ("info", "warning", "error", "critical")
_VERDICT_OF_CODE: dict[int, Verdict] = {0: "approved", 1: "needs_changes", 2: "rejected"}


def json_object(data: bytes | str) -> dict[str, Any] | None:
    """The object that a text is; None when it is none."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def last_object(text: str, wanted: str) -> dict[str, Any] | None:
    """The last JSON object inside a text that has a certain key."""
    decoder = json.JSONDecoder()
    end = len(text)
    for _ in range(_DEEPEST_OBJECTS):
        start = text.rfind("{", 0, end)
        if start < 0:
            return None
        try:
            found, _length = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and wanted in found:
            return found
        end = start
    return None


def text_of(document: Mapping[str, Any], key: str, limit: int = SUMMARY_CHARACTERS) -> str:
    """A field as clean text; empty when it is no text."""
    value = document.get(key)
    return shortened(clean(value), limit) if isinstance(value, str) else ""


def number_of(document: Mapping[str, Any], key: str) -> float:
    """A field as a number that is not negative; 0 when it is none."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return max(value, 0)


def mapping_of(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A field as an object; an empty one when it is none."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def texts_of(document: Mapping[str, Any], key: str, most: int = MOST_ARTIFACTS) -> tuple[str, ...]:
    """A field as a list of clean texts; what is no text is left out."""
    value = document.get(key)
    if not isinstance(value, list):
        return ()
    return tuple(clean(one) for one in value[:most] if isinstance(one, str) and one)


def used_of(document: Mapping[str, Any]) -> Used:
    """Tokens and money in `usage: {tokens, cost_usd}`."""
    usage = mapping_of(document, "usage")
    return Used(int(number_of(usage, "tokens")), float(number_of(usage, "cost_usd")))


def issues_of(document: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    """What a review found; an unknown severity counts as a warning."""
    value = document.get("issues")
    found: list[Mapping[str, str]] = []
    for one in value[:MOST_ISSUES] if isinstance(value, list) else ():
        if not isinstance(one, dict) or not text_of(one, "message"):
            continue
        severity = one.get("severity")
        issue = {
            "severity": severity if severity in _SEVERITIES else "warning",
            "message": text_of(one, "message", 1_000),
        }
        if text_of(one, "location"):
            issue["location"] = text_of(one, "location", 300)
        found.append(issue)
    return tuple(found)


def stated(document: Mapping[str, Any], outcome: Outcome, job: Job) -> Outcome:
    """An outcome with what a command stated about it. A process that failed does not become a success by its word."""
    says = document.get("success")
    success = outcome.success and says is not False
    error = outcome.error
    if outcome.success and not success:
        error = text_of(document, "error") or text_of(document, "summary") or "the command reports that it failed"
    elif not success and text_of(document, "error"):
        error = text_of(document, "error")
    retry_after = number_of(document, "retry_after_seconds")
    used = used_of(document)
    changed = replace(
        outcome,
        success=success,
        error=error,
        summary=text_of(document, "summary") or outcome.summary,
        artifacts=texts_of(document, "artifacts") or outcome.artifacts,
        metrics={**outcome.metrics, **metrics_of(document)},
        used=used if used != Used() else outcome.used,
    )
    if not success and retry_after:
        changed = replace(changed, cause="rate_limit", retry_after_ms=int(retry_after * 1000))
    return with_verdict(document, changed) if job.kind == "review" else changed


def with_verdict(document: Mapping[str, Any], outcome: Outcome) -> Outcome:
    """An outcome with the verdict that a document holds, if it holds one."""
    verdict = document.get("verdict")
    if verdict not in get_args(Verdict):
        return outcome
    return replace(
        outcome,
        success=True,
        error="",
        verdict=verdict,
        feedback=text_of(document, "feedback") or outcome.feedback,
        issues=issues_of(document),
    )


def metrics_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Numbers and texts that a command wants to be kept with its result; none when there are too many."""
    metrics = mapping_of(document, "metrics")
    if not metrics or len(json.dumps(metrics)) > METRICS_BYTES:
        return {}
    return {clean(str(key)): _plain(value) for key, value in metrics.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def by_exit_code(ended: Ended, output: str, job: Job) -> Outcome:
    """An outcome from how the process ended and from the end of what it said."""
    if job.kind == "review" and ended.exit_code in _VERDICT_OF_CODE:
        verdict = _VERDICT_OF_CODE[ended.exit_code]
        said = ending(output or ended.errors)
        feedback = said or ("" if verdict == "approved" else f"the review ended with exit code {ended.exit_code}")
        return Outcome(success=True, summary=said, verdict=verdict, feedback=feedback)
    if ended.exit_code == 0:
        return Outcome(success=True, summary=ending(output))
    return failure(ended, output)


def failure(ended: Ended, output: str = "", *, because: str = "") -> Outcome:
    """A failed attempt, with the last words of the process."""
    last = last_line(ended.errors) or last_line(output)
    how = because or how_ended(ended)
    return Outcome(
        success=False,
        summary=ending(output),
        error=f"{how}: {last}" if last else how,
        cause="crash" if ended.killed and not because else "error",
    )


def how_ended(ended: Ended) -> str:
    """How a process ended, in words."""
    code = ended.exit_code
    if code in (137, -9):
        return f"it was killed ({'exit code 137' if code > 0 else 'signal 9'}), perhaps because memory ran out"
    if code < 0:
        return f"it was ended by signal {-code}"
    return f"it ended with exit code {code}"


def last_line(text: str) -> str:
    """The last line that says something."""
    lines: Sequence[str] = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[-1], 500) if lines else ""
