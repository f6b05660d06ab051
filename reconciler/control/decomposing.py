"""From a goal in words to text for fleet.yaml: sorties are proposed, checked, and left to a person to commit.

The proposal comes from the project's files by the strategy that fits the goal's words, or from an agent that is asked for
it. An agent's answer is data: it is read, held against the same checks, and never carried out.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from reconciler.control.scanning import files_of, imports_of
from reconciler.errors import FleetError, NotFound
from reconciler.work.decompose import Decomposition, Proposal, Strategy, check, choose, decompose

if TYPE_CHECKING:
    from reconciler.control.session import Session
    from reconciler.spec.desired import Harness

AGENTS = ("claude-code", "codex", "opencode")
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
_MOST_LISTED = 400
_PLANNER_S = 600.0
_REVIEWS = frozenset({"code", "security", "general"})


def propose(folder: Path, goal: str, strategy: Strategy | None = None) -> Decomposition:
    """Sorties for a goal, from the project's files. Read-only."""
    files = files_of(folder)
    chosen = strategy or choose(goal).strategy
    imports = imports_of(folder, files) if chosen in ("file-based", "feature-based") else {}
    return decompose(goal, files, imports, strategy=strategy)


def ask(session: Session, goal: str, planner: str) -> Decomposition:
    """Sorties for a goal, from an agent.

    Args:
        planner: a specialist of the file, or the kind of an agent's harness.

    Raises:
        NotFound: neither a specialist nor a kind of agent is called that.
        ToolMissing: its program is not there.
        FleetError: it failed, or its answer holds no sorties.
    """
    from reconciler.control.worker import process
    from reconciler.work.harness import Job, build

    harness, environment = _planner(session, planner)
    files = files_of(session.directory)
    job = Job(sortie_id="plan", title=f"Plan: {goal}", prompt=_prompt(goal, files).replace("{{", "{ {"))
    command = build(job, harness).command
    output, errors = bytearray(), bytearray()
    with process.Stopper() as stopper:
        done = process.run(
            process.Launch(
                argv=command.argv,
                environment={**environment, **command.environment},
                folder=session.directory,
                stdin=command.stdin,
                timeout_s=_PLANNER_S,
            ),
            stopper,
            on_output=output.extend,
            on_errors=errors.extend,
        )
    if done.exit_code or done.why:
        told = errors.decode("utf-8", "replace").strip().splitlines()
        raise FleetError(
            f"the planner {planner} failed: {done.why or (told[-1] if told else f'exit {done.exit_code}')}"
        )
    sorties = proposals_in(bytes(output))
    if not sorties:
        raise FleetError(f"the answer of the planner {planner} holds no sorties", hint="try again, or leave it out")
    return Decomposition(goal, choose(goal), sorties, parallel=False, problems=check(sorties, files))


def _planner(session: Session, planner: str) -> tuple[Harness, Mapping[str, str]]:
    from reconciler.control.work_door import declared
    from reconciler.control.worker.settings import environment
    from reconciler.spec.desired import Harness

    desired = declared(session) if session.file.exists() else None
    spec = desired.specialists.get(planner) if desired is not None else None
    if desired is not None and spec is not None:
        return spec.harness, environment(spec, desired, project=session.directory, environ=session.environ)
    if planner in AGENTS:
        return Harness(kind=cast("Any", planner)), {k: v for k, v in session.environ.items() if k != "FLEET_TOKEN"}
    known = sorted(desired.specialists) if desired is not None else []
    raise NotFound(f"there is no planner {planner}", hint=f"known: {', '.join([*known, *AGENTS])}")


def _prompt(goal: str, files: Sequence[str]) -> str:
    listed = "\n".join(files[:_MOST_LISTED]) + ("\n…" if len(files) > _MOST_LISTED else "")
    return (
        f"Split this goal into tasks for several agents that work side by side. Change nothing.\n\nGoal: {goal}\n\n"
        "No file may be in two tasks. A task stands after those it depends on. Complexity is 1 (minutes) to 5 (hours). "
        "Files have to exist.\n\nAnswer with one JSON object and nothing else:\n"
        '{"sorties": [{"name": "short-key", "title": "…", "prompt": "what the agent is asked to do", '
        '"files": ["path"], "depends_on": ["name"], "complexity": 2, "review": "code"}]}\n'
        'review is "", "code", "security" or "general".\n\nThe files of the project:\n' + listed
    )


def proposals_in(output: bytes) -> tuple[Proposal, ...]:
    """The sorties in an agent's answer, wherever it lies in its output; the last one counts. Empty when there is none."""
    for text in reversed(list(_texts(output))):
        for found in reversed(list(_objects(text))):
            sorties = found.get("sorties")
            if isinstance(sorties, list) and sorties and all(isinstance(one, dict) for one in sorties):
                return tuple(_proposal(one, number) for number, one in enumerate(sorties, start=1))
    return ()


def _texts(output: bytes) -> Iterator[str]:
    """The output as it is, and every text inside of its lines where those are JSON."""
    whole = output.decode("utf-8", "replace")
    yield whole
    for line in whole.splitlines():
        try:
            yield from _strings(json.loads(line))
        except (ValueError, RecursionError):
            continue


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    for place in re.finditer(r'\{\s*"sorties"', text):
        try:
            found, _ = decoder.raw_decode(text, place.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _proposal(found: Mapping[str, Any], number: int) -> Proposal:
    def texts(key: str) -> tuple[str, ...]:
        value = found.get(key)
        return tuple(str(one) for one in value) if isinstance(value, list) else ()

    name = _key(str(found.get("name") or "")) or f"sortie-{number}"
    review, complexity = str(found.get("review") or ""), found.get("complexity")
    return Proposal(
        name=name,
        title=" ".join(str(found.get("title") or name).split()),
        prompt=str(found.get("prompt") or ""),
        files=tuple(os.path.normpath(path) for path in texts("files")),
        depends_on=tuple(_key(one) for one in texts("depends_on")),
        complexity=complexity if isinstance(complexity, int) and not isinstance(complexity, bool) else 1,
        review=cast("Any", review if review in _REVIEWS else ""),
    )


def _key(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")


def mission_name(goal: str) -> str:
    """A key of fleet.yaml from the goal's first words."""
    words = _key(goal).split("-")
    return "-".join(words[:5])[:40].strip("-") or "mission"


def yaml_text(found: Decomposition, name: str) -> str:
    """The text for fleet.yaml, or for a file that it includes."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Texts of several lines as such."""

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    sorties = {one.name: _document(one) for one in found.sorties}
    document = {"missions": {name: {"title": " ".join(found.goal.split()), "sorties": sorties}}}
    body = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    how = "side by side" if found.parallel else "as their dependencies let them"
    head = f"# Proposed by `fleet missions plan` ({found.choice.strategy}): {len(found.sorties)} sorties, {how}.\n"
    return head + "# Read it, change it, commit it: nothing runs before `fleet apply`.\n" + body


def _document(one: Proposal) -> dict[str, Any]:
    document: dict[str, Any] = {"title": one.title, "description": f"Complexity {one.complexity} of 5."}
    if one.depends_on:
        document["depends_on"] = list(one.depends_on)
    if one.prompt:
        document["prompt"] = one.prompt
    if one.files:
        document["files"] = list(one.files)
    if one.review:
        document["review"] = one.review
    return document
