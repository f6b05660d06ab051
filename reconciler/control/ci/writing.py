"""What a run leaves behind: annotations at the file's line, a Markdown summary, code quality and JUnit. Values to text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

from reconciler.plan.render import markdown

if TYPE_CHECKING:
    from reconciler.control.ci.outcome import Outcome, Wait
    from reconciler.errors import Problem

_ENDED = {
    "succeeded": "✓ applied",
    "unchanged": "✓ nothing to do",
    "failed": "✗ failed",
    "interrupted": "✗ interrupted",
    "timed_out": "✗ out of time",
}


def workflow_commands(outcome: Outcome, root: str) -> Iterator[str]:
    """GitHub's workflow commands: an error or a warning at its line."""
    for level, problems in (("error", outcome.errors()), ("warning", outcome.warnings)):
        for one in problems:
            yield _annotation(level, one, root)


def _annotation(level: str, problem: Problem, root: str) -> str:
    named = {"file": _from_root(problem.file, root), "line": problem.line, "col": problem.column}
    place = ",".join(f"{name}={_escaped(str(value), property_=True)}" for name, value in named.items() if value)
    text = _sentence(problem)
    return f"::{level}{' ' + place if place else ''}::{_escaped(text, property_=False)}"


def _escaped(text: str, *, property_: bool) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property_ else text


def _sentence(problem: Problem) -> str:
    about = f"{problem.path}: " if problem.path else ""
    return f"{about}{problem.message}" + (f" ({problem.hint})" if problem.hint else "")


def code_quality(outcome: Outcome, root: str) -> str:
    """GitLab's code quality report: the same, as JSON."""
    graded: tuple[tuple[Literal["major", "minor"], list[Problem]], ...] = (
        ("major", outcome.errors()),
        ("minor", list(outcome.warnings)),
    )
    found = [
        {
            "description": _sentence(one),
            "check_name": "fleet",
            "fingerprint": hashlib.sha256(f"{one.file}\0{one.path}\0{one.message}".encode()).hexdigest(),
            "severity": severity,
            "location": {"path": _from_root(one.file, root), "lines": {"begin": max(one.line, 1)}},
        }
        for severity, problems in graded
        for one in problems
        if one.file
    ]
    return json.dumps(found, indent=1) + "\n"


def summary(outcome: Outcome) -> str:
    """Markdown for a pull request: the plan, how it ended, what went wrong and what was waited for."""
    return "\n".join(_summary(outcome)) + "\n"


def _summary(outcome: Outcome) -> Iterator[str]:
    if outcome.plan is not None:
        yield markdown(outcome.plan).rstrip("\n")
    else:
        yield f"### Fleet {_cell(outcome.fleet)}"
    result = outcome.result
    took = f" in {result.seconds:.1f} s" if result is not None else ""
    counts = f": {result.done} done, {result.failed} failed, {result.skipped} skipped" if result is not None else ""
    yield from ("", f"**{_ENDED.get(outcome.status, '✗ ' + outcome.status.replace('_', ' '))}**{took}{counts}")
    errors = outcome.errors()
    if errors:
        yield from ("", "| where | what |", "|---|---|")
        for one in errors:
            place = f"{one.file}:{one.line}" if one.line else one.file
            yield f"| {_cell(place)} | {_cell(_sentence(one))} |"
    if outcome.waits:
        yield from ("", "| waited for | until | took | |", "|---|---|---|---|")
        for wait in outcome.waits.values():
            word = "ready" if wait.state == "open" else _cell(wait.detail or "not ready")
            yield f"| service/{_cell(wait.service)} | {wait.gate} | {wait.seconds:.1f} s | {word} |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def junit(outcome: Outcome) -> str:
    """JUnit's XML: one case for every service that was waited for, and one for the run itself."""
    suite = ElementTree.Element("testsuite", name=f"fleet {outcome.fleet}")
    for wait in outcome.waits.values():
        _case(suite, outcome.fleet, wait)
    run = ElementTree.SubElement(suite, "testcase", classname=outcome.fleet, name="apply")
    run.set("time", f"{outcome.result.seconds if outcome.result is not None else 0:.3f}")
    if outcome.status not in ("succeeded", "unchanged"):
        told = "\n".join(_sentence(one) for one in outcome.errors()) or outcome.status.replace("_", " ")
        ElementTree.SubElement(run, "failure", message=_clean(told.split("\n", 1)[0])).text = _clean(told)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", "0")
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, fleet: str, wait: Wait) -> None:
    name = f"service/{wait.service} becomes {wait.gate}"
    case = ElementTree.SubElement(suite, "testcase", classname=fleet, name=name, time=f"{wait.seconds:.3f}")
    if wait.state != "open":
        told = _clean(wait.detail or "it was not ready when the run ended")
        ElementTree.SubElement(case, "failure", message=told).text = told


def _clean(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(one for one in text if one in "\t\n" or one.isprintable())


def _from_root(file: str, root: str) -> str:
    """The path as the server knows it: from the root of the checkout."""
    if not file or not root:
        return file
    path = Path(file).absolute()
    return str(path.relative_to(root)) if path.is_relative_to(root) else file
