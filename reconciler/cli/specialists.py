"""`fleet specialists`: what people do with the agents of a fleet."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, print_json, print_json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reconciler.control.crew_requests import Asked
    from reconciler.control.look import Look
    from reconciler.control.session import Session
    from reconciler.events.envelope import NewEvent
    from reconciler.ops.crew_status import CrewStatus

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)

NamesArgument = Annotated[
    list[str],
    typer.Argument(help="Specialists or replicas (builder, builder/2); all when left out.", metavar="[NAME]..."),
]
NameArgument = Annotated[str, typer.Argument(help="A specialist, or a replica of it.", metavar="NAME")]
DEFAULT_TAIL = 100
_LOOK_S = 0.2


@app.callback()
def specialists() -> None:
    """Look at specialists, drain them, stop and start them, read what they print."""


@app.command("list")
@about_project
def list_(project: Project, as_json: JsonOption = False) -> None:
    """List every specialist: what is wanted, what runs, and what each reports.

    Specialists that registered themselves and that the file does not declare come last.

    \b
    Examples:
      fleet specialists list
      fleet specialists list --json
    """
    from reconciler.cli.crew_table import crew_table
    from reconciler.control.crew_documents import crew_document
    from reconciler.control.session import open_session

    with open_session(project) as session:
        found, _ = _statuses(session)
    if as_json:
        print_json({"specialists": [crew_document(one) for one in found]})
    elif found:
        typer.echo("\n".join(crew_table(found, _now_ms(), on=colour_wanted())))
    else:
        typer.echo("no specialists; declare some under specialists: and run fleet apply")


@app.command()
@about_project
def show(project: Project, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show one specialist: its definition, its replicas, and what they have used of their budget.

    \b
    Examples:
      fleet specialists show builder
      fleet specialists show builder/2 --json
    """
    from reconciler.cli.crew_table import crew_table
    from reconciler.control.crew_documents import crew_document
    from reconciler.control.session import open_session

    with open_session(project) as session:
        statuses, definitions = _statuses(session)
        found = _meant(name, statuses)
        store = session.store
        rows = store.rows() if store is not None else None
        ids = [one.report.specialist_id for one in found if one.report.specialist_id]
        usage = {key: rows.get("usage", key) for key in ids} if rows is not None else {}
    definition = definitions.get(found[0].pool)
    used = {key: _used(row) for key, row in usage.items() if row}
    if as_json:
        replicas = [crew_document(one) | {"used": used.get(one.report.specialist_id)} for one in found]
        print_json({"specialist": found[0].pool or None, "definition": definition, "replicas": replicas})
        return
    lines = [f"{key}: {_plain(value)}" for key, value in (definition or {}).items() if key != "name"]
    lines += ["", *crew_table(found, _now_ms(), on=colour_wanted())]
    lines += [f"     {key} has used {_told(one)}" for key, one in used.items()]
    lines += [f"     {one.address.removeprefix('specialist/')} prints to {one.log}" for one in found if one.log]
    typer.echo("\n".join(lines).lstrip("\n"))


@app.command()
@about_project
def drain(project: Project, names: NamesArgument = [], as_json: JsonOption = False) -> None:
    """Let specialists finish what they work on, give them nothing more, and leave them down.

    It returns at once. `fleet specialists stop` ends the waiting, `fleet specialists start` brings them back.

    \b
    Examples:
      fleet specialists drain builder
      fleet specialists drain builder/2
    """
    from reconciler.control.crew_requests import chosen_specialists, drain_now
    from reconciler.control.look import look
    from reconciler.control.session import open_session

    with open_session(project) as session:
        seen = look(session)
        asked = chosen_specialists(seen.desired, names)
        held = drain_now(session, seen.desired, seen.projected, asked)
    if as_json:
        print_json({"draining": [one.address for one in asked], "sorties": held})
        return
    for one in asked:
        typer.echo(f"{one.address} drains: it takes nothing more, and ends when it has finished what it works on")
    for sortie in held:
        typer.echo(f"  still at work: {sortie}")


@app.command()
@about_project
def stop(project: Project, names: NamesArgument = []) -> int:
    """Stop specialists; what they hold is finished within their grace period, or handed back.

    It is remembered that they are wanted down: no later apply starts them before `fleet specialists start` does.

    \b
    Examples:
      fleet specialists stop
      fleet specialists stop builder/2
    """
    from reconciler.control.crew_requests import stop_requests

    return _ask(project, names, lambda seen, asked: stop_requests(seen.projected, asked), "specialists stop", "stopped")


@app.command()
@about_project
def start(project: Project, names: NamesArgument = []) -> int:
    """Start specialists that were stopped, drained or given up, and wait until they report themselves.

    \b
    Examples:
      fleet specialists start
      fleet specialists start builder/2
    """
    from reconciler.control.crew_requests import start_requests

    return _ask(project, names, lambda seen, asked: start_requests(seen.projected, asked), "specialists start", "up")


@app.command()
@about_project
def logs(
    project: Project,
    names: NamesArgument = [],
    tail: Annotated[int, typer.Option("--tail", "-n", help="How many of the last lines.", min=0)] = DEFAULT_TAIL,
    every: Annotated[bool, typer.Option("--all", help="All lines that are kept, not just the last.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as lines are written, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what specialists have printed, running or not. With several, each line begins with the replica.

    \b
    Examples:
      fleet specialists logs builder
      fleet specialists logs builder/2 --tail 20 --follow
    """
    from reconciler.control.session import open_session
    from reconciler.errors import NotFound

    with open_session(project) as session:
        found = _named(names, [one for one in _statuses(session)[0] if one.pool])
        files = {one.address.removeprefix("specialist/"): _log(session, one) for one in found}
    there = {replica: file for replica, file in files.items() if file.exists()}
    if not there:
        raise NotFound("these specialists have not printed anything yet", hint="fleet apply starts them")
    _print(there, None if every else tail, follow=follow, as_json=as_json)


def _statuses(session: Session) -> tuple[tuple[CrewStatus, ...], dict[str, Any]]:
    """Every specialist, and the definitions of the declared ones by name."""
    from reconciler.control.crew_documents import crew_of
    from reconciler.control.survey import survey
    from reconciler.spec.desired import to_document
    from reconciler.spec.masked import masked

    found = survey(session)
    store = session.store
    statuses = crew_of(found, _now_ms(), store.rows() if store is not None else None)
    known = {name: pool.document for name, pool in found.projected.pools.items()}
    if found.desired is not None:
        known |= {name: to_document(spec) for name, spec in found.desired.specialists.items()}
    return statuses, {name: masked(document) for name, document in known.items()}


def _meant(name: str, statuses: Sequence[CrewStatus]) -> list[CrewStatus]:
    """The replicas that a name means.

    Raises:
        NotFound: none; lists the specialists that there are.
    """
    from reconciler.errors import NotFound

    bare = name.removeprefix("specialist/")
    found = [
        one for one in statuses if bare in (one.pool, one.address.removeprefix("specialist/"), one.report.specialist_id)
    ]
    if not found:
        known = ", ".join(sorted({one.pool or one.report.specialist_id for one in statuses})) or "none"
        raise NotFound(f"there is no specialist {name!r}", hint=f"known: {known}")
    return found


def _named(names: Sequence[str], statuses: Sequence[CrewStatus]) -> list[CrewStatus]:
    found = {one.address: one for name in names for one in _meant(name, statuses)}
    return list(found.values()) if names else list(statuses)


def _log(session: Session, one: CrewStatus) -> Path:
    from reconciler.control.crew import log_file

    return log_file(session, one.pool, one.replica)


def _ask(
    project: Project,
    names: Sequence[str],
    requests_of: Callable[[Look, Sequence[Asked]], list[NewEvent]],
    purpose: str,
    word: str,
) -> int:
    """Record a wish, and carry out what follows from it for these specialists."""
    from reconciler.cli.apply import EXIT_CODES, confirmation, finish, run_cycle
    from reconciler.control.crew_requests import chosen_specialists
    from reconciler.control.look import look
    from reconciler.control.session import open_session
    from reconciler.plan.model import PlanOptions

    with open_session(project) as session:
        first = look(session)
        asked = chosen_specialists(first.desired, names)
        options = PlanOptions(targets=tuple(one.address for one in asked)) if asked else PlanOptions()
        seen = look(session, options, requests=requests_of(first, asked))
        if asked and not seen.settled:
            result = run_cycle(session, seen, options, confirm=confirmation(session, yes=True), purpose=purpose)
            if result is not None and not result.succeeded:
                finish(result, as_json=False)
                return EXIT_CODES[result.status]
    for one in asked:
        typer.echo(f"{one.address} is {word}")
    return 0


def _print(files: dict[str, Path], tail: int | None, *, follow: bool, as_json: bool) -> None:
    from reconciler.runtime.process import logfile

    several = len(files) > 1

    def show(replica: str, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if as_json:
            print_json_line({"specialist": f"specialist/{replica}", "line": text})
        else:
            sys.stdout.write(f"{replica} | {text}\n" if several else f"{text}\n")
            sys.stdout.flush()

    ends = {replica: logfile.end_of(file) for replica, file in files.items()}
    for replica, file in files.items():
        for line in logfile.last_lines(file, tail, end=ends[replica]):
            show(replica, line)
    if not follow:
        return
    # Each takes what is there and hands over to the next, so that nobody waits for a silent one.
    following = {replica: logfile.follow(file, ends[replica]) for replica, file in files.items()}
    while True:
        for replica, lines in following.items():
            for new in lines:
                if new is None:
                    break
                show(replica, new)
        time.sleep(_LOOK_S)


def _used(row: dict[str, Any]) -> dict[str, Any]:
    hour_ago = _now_ms() - 3_600_000
    starts = sum(1 for start in row["starts"] if start > hour_ago)
    return {
        "sorties_this_hour": starts,
        "wall_ms": row["wall_ms"],
        "tokens": row["tokens"],
        "cost_usd": row["cost_usd"],
        "exhausted": row["exhausted"] or None,
    }


def _told(used: dict[str, Any]) -> str:
    from reconciler.plan.reasons import counted

    parts = [f"{counted(used['sorties_this_hour'], 'sortie')} this hour", f"{used['wall_ms'] / 1000:g} s"]
    parts += [f"{used['tokens']} tokens"] if used["tokens"] else []
    parts += [f"{used['cost_usd']:.2f} USD"] if used["cost_usd"] else []
    parts += [f"nothing is left of {used['exhausted']}"] if used["exhausted"] else []
    return ", ".join(parts)


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
