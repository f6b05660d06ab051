"""Placeholders: `{{ sorties.design.summary }}` in a prompt or in an argument of a command's template.

What they stand for came from people and from other agents' output. In a prompt it appears as a quoted value; in a
command it becomes a whole argument or a part of one, never a part of a text that a shell reads.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.work.harness.model import Job
from reconciler.work.harness.text import SUMMARY_CHARACTERS, clean, shortened
from reconciler.work.refusals import InputRefused

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "fish"})
_COMMAND_FLAG = re.compile(r"-[a-z]*c[a-z]*")
_OWN = ("task", "sortie", "name", "title", "description", "prompt", "mission", "attempt", "feedback", "run", "files")


def in_prompt(text: str, job: Job) -> str:
    """A prompt with its placeholders filled in by quoted values.

    Raises:
        InputRefused: a placeholder stands for nothing.
    """
    return _fill(text, job, lambda value: json.dumps(shortened(value), ensure_ascii=False))


def in_arguments(template: Sequence[str], job: Job) -> tuple[str, ...]:
    """A command's arguments with their placeholders filled in.

    Raises:
        InputRefused: a placeholder stands for nothing, or it stands in a text that a shell would read.
    """
    filled: list[str] = []
    for index, argument in enumerate(template):
        if _PLACEHOLDER.search(argument) is None:
            filled.append(argument)
            continue
        if index == 0:
            raise InputRefused("the program of a command's template is no placeholder")
        if _COMMAND_FLAG.fullmatch(template[index - 1]) and _is_shell(template[: index - 1]):
            raise InputRefused(
                f"{argument!r} is read by a shell, where a placeholder would be run as a command",
                hint='hand it over as an argument of its own ("$1"), or read the file $FLEET_INPUT',
            )
        value = _fill(argument, job, lambda text: text.replace("\n", " "))
        if argument.lstrip().startswith("{{") and value.startswith("-"):
            # A value that looks like an option must not become one.
            value = " " + value
        filled.append(value)
    return tuple(filled)


def _is_shell(before: Sequence[str]) -> bool:
    return any(posixpath.basename(word) in _SHELLS for word in before)


def _fill(text: str, job: Job, form: Callable[[str], str]) -> str:
    def replaced(found: re.Match[str]) -> str:
        return form(value_of(found[1], job))

    return _PLACEHOLDER.sub(replaced, text)


def value_of(name: str, job: Job) -> str:
    """What a placeholder stands for, as clean text.

    Raises:
        InputRefused: nothing.
    """
    if name.startswith("sorties."):
        return _of_sortie(name, job)
    if name not in _OWN:
        raise InputRefused(f"nothing is called {{{{ {name} }}}}", hint=f"sorties.NAME.summary, {', '.join(_OWN)}")
    values: dict[str, str] = {
        "task": job.kind,
        "sortie": job.sortie_id,
        "name": job.name,
        "title": job.title,
        "description": job.description,
        "prompt": job.prompt,
        "mission": job.mission,
        "attempt": str(job.attempt),
        "feedback": job.feedback,
        "run": job.run,
        "files": " ".join(job.files),
    }
    return clean(values[name])


def _of_sortie(name: str, job: Job) -> str:
    parts = name.split(".")
    result = job.inputs.get(parts[1]) if len(parts) > 2 else None
    if result is None:
        known = ", ".join(sorted(job.inputs)) or "no sortie"
        raise InputRefused(
            f"{{{{ {name} }}}} names no sortie that comes before {job.name or job.sortie_id}",
            hint=f"it comes after {known}",
        )
    found: Any = result
    for part in parts[2:]:
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None:
        return ""
    return clean(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))


def result_variables(job: Job) -> dict[str, str]:
    """The results of earlier sorties as environment variables, `FLEET_RESULT_DESIGN_SUMMARY` for one called `design`."""
    variables: dict[str, str] = {}
    for name, result in sorted(job.inputs.items()):
        word = re.sub(r"\W", "_", name).upper()
        summary = result.get("summary")
        if isinstance(summary, str):
            variables[f"FLEET_RESULT_{word}_SUMMARY"] = shortened(clean(summary), SUMMARY_CHARACTERS)
        artifacts = result.get("artifacts")
        if isinstance(artifacts, Sequence) and not isinstance(artifacts, str):
            variables[f"FLEET_RESULT_{word}_ARTIFACTS"] = clean("\n".join(str(one) for one in artifacts))
    return variables
