"""`fleet apply`: make the fleet what the file says."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.ci import CiOption, CodeQualityOption, JUnitOption, Leave, SummaryOption, left_behind
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, print_json, print_json_line, width

if TYPE_CHECKING:
    from reconciler.apply.model import ApplyResult
    from reconciler.apply.report import Reporter
    from reconciler.control.cycle import Confirmation, Look
    from reconciler.control.saved import SavedPlan
    from reconciler.control.session import Session
    from reconciler.plan.model import PlanOptions

TargetOption = Annotated[
    list[str],
    typer.Option(
        "--target", "--limit", "-t", help="Only this resource, and what it needs (repeatable).", metavar="RESOURCE"
    ),
]
ExcludeOption = Annotated[
    list[str], typer.Option("--exclude", help="Not this resource (repeatable).", metavar="RESOURCE")
]
TagsOption = Annotated[list[str], typer.Option("--tags", help="Only services with this tag.", metavar="TAG")]
SkipTagsOption = Annotated[list[str], typer.Option("--skip-tags", help="No services with this tag.", metavar="TAG")]
TimeoutOption = Annotated[
    str, typer.Option("--timeout", help="Give up after this long (30s, 5m); exit code 124.", metavar="TIME")
]
ParallelOption = Annotated[int, typer.Option("--parallel", help="How much is done at once.", min=1, max=64)]
WaitLeaseOption = Annotated[
    str, typer.Option("--wait-lease", help="Wait this long for another writer to end.", metavar="TIME")
]

PlanArgument = Annotated[
    Path | None,
    typer.Argument(help="A plan that `fleet plan --out` saved: exactly that one is carried out.", metavar="PLAN"),
]

EXIT_CODES = {"succeeded": 0, "failed": 1, "interrupted": 130, "timed_out": 124}


@about_project
def apply(
    project: Project,
    plan_file: PlanArgument = None,
    check: Annotated[bool, typer.Option("--check", help="Show the plan and touch nothing, as `fleet plan`.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the whole plan before it is carried out.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Confirm a plan that destroys containers.")] = False,
    target: TargetOption = [],
    exclude: ExcludeOption = [],
    tags: TagsOption = [],
    skip_tags: SkipTagsOption = [],
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help="Wait until missions have ended, too; or not even for services. Without either: for services.",
            show_default=False,
        ),
    ] = None,
    timeout: TimeoutOption = "",
    parallel: ParallelOption = 4,
    wait_lease: WaitLeaseOption = "0s",
    override_freeze: Annotated[
        bool, typer.Option("--override-freeze", help="Take up the edited file although a freeze window holds.")
    ] = False,
    auto_resume: Annotated[
        bool, typer.Option("--auto-resume", help="Take up missions that were interrupted, from their checkpoints.")
    ] = False,
    ci: CiOption = False,
    summary: SummaryOption = None,
    junit: JUnitOption = None,
    code_quality: CodeQualityOption = None,
    as_json: JsonOption = False,
) -> int:
    """Make the fleet what the file says: create, change, replace, start, stop and remove, and remember why.

    With nothing to do it changes nothing and says so. Ctrl-C once ends it in good order, twice at once; the next run
    goes on where it stopped.

    It waits until every service that was touched is ready. With --wait it waits for the file's missions as well, shows
    how they get on, and ends with 1 when one of them has failed.

    With a saved plan exactly that one is carried out, without asking; it is refused if the file, the log or the world has
    moved on since. On a build server, --ci asks nothing: what destroys more than `reconcile.max_destroy` needs --yes.

    \b
    Examples:
      fleet apply
      fleet apply --check
      fleet apply --target service/web --yes
      fleet apply --wait --timeout 30m
      fleet apply --json --timeout 5m
      fleet plan --out plan.fleet && fleet apply plan.fleet
      fleet apply --ci --junit waits.xml --timeout 10m
    """
    from reconciler.control.session import open_session
    from reconciler.plan.model import PlanOptions

    timeout_ms, wait_lease_ms = duration(timeout, "--timeout"), duration(wait_lease, "--wait-lease")
    options = PlanOptions(targets=tuple(target), exclude=tuple(exclude), tags=tuple(tags), skip_tags=tuple(skip_tags))
    if plan_file is not None and options != PlanOptions():
        raise typer.BadParameter("a saved plan is narrowed already", param_hint="PLAN")
    leave = Leave(ci, summary, junit, code_quality, as_json)
    with open_session(project, ci=ci) as session, left_behind(session, leave) as outcome:
        saved = _saved(session, plan_file)
        options = saved.options if saved is not None else options
        if not check:
            _look_back(session, auto_resume=auto_resume)
        seen = _first_look(session, options, check=check)
        if outcome is not None:
            outcome.saw(seen.desired, seen.plan, seen.reading)
        _warn(seen, as_json=as_json)
        if saved is not None:
            _must_hold(session, saved, seen)
        if check:
            return _show_only(seen, as_json=as_json)
        began = time.monotonic()
        if seen.settled:
            code = _nothing_to_do(seen, as_json=as_json)
            return code or _missions(session, seen, options, wait, timeout_ms, as_json=as_json)
        _show(seen, whole=diff or sys.stdout.isatty(), as_json=as_json)
        result = run_cycle(
            session,
            seen,
            options,
            confirm=confirmation(session, yes=yes or saved is not None, ask=not ci),
            still=(lambda look: _must_hold(session, saved, look)) if saved is not None else lambda _: None,
            wait=wait is not False,
            timeout_ms=timeout_ms,
            parallel=parallel,
            wait_lease_ms=wait_lease_ms,
            override_freeze=override_freeze,
            also=outcome,
            as_json=as_json,
        )
        if outcome is not None:
            outcome.result = result
        if result is None and not as_json:
            tell_suspended(seen)
        code = finish(result, as_json=as_json)
        if timeout_ms:
            timeout_ms = max(1, timeout_ms - round((time.monotonic() - began) * 1000))
        return code or _missions(session, seen, options, wait, timeout_ms, as_json=as_json)


def _look_back(session: Session, *, auto_resume: bool) -> None:
    """Tell of missions that seem to have been interrupted, or take them up where that was asked for."""
    from reconciler.control.checkpoints.occasions import at_start
    from reconciler.control.reading import now_ms

    at_start(session, now_ms(), lambda text: print(f"fleet: {text}", file=sys.stderr), auto_resume=auto_resume)


def _missions(
    session: Session, seen: Look, options: PlanOptions, wait: bool | None, timeout_ms: int, *, as_json: bool
) -> int:
    """Wait for the file's missions if that was asked for; the exit code that their outcome has."""
    if not wait or not seen.desired.missions:
        return 0
    from reconciler.cli.work_progress import await_missions
    from reconciler.control.awaiting import last_runs, specialists_kept
    from reconciler.plan.situation import Situation

    selection = Situation(seen.desired, seen.projected, options).selection
    names = {name for name in seen.desired.missions if not selection.why_not(f"mission/{name}")}
    store = session.writable(seen.desired.database)
    ids = {one.id for one in last_runs(store.rows(), names) if one.status != "cancelled"}
    tend = specialists_kept(session, options)
    return await_missions(session, store, ids, timeout_ms=timeout_ms, as_json=as_json, tend=tend) if ids else 0


def _saved(session: Session, path: Path | None) -> SavedPlan | None:
    if path is None:
        return None
    from reconciler.control.saved import read_saved

    return read_saved(path, project=session.project)


def _must_hold(session: Session, saved: SavedPlan, seen: Look) -> None:
    """Refuse a saved plan that has gone stale, and say so in the log.

    Raises:
        PlanStale: says what moved.
    """
    from reconciler.control.saved import Moved, record_refusal

    try:
        saved.must_still_hold(seen)
    except Moved as error:
        record_refusal(session, saved, error, seen.desired.name)
        raise


def _first_look(session: Session, options: PlanOptions, *, check: bool) -> Look:
    """A look; that the file was wrong is recorded, unless only a check was asked for.

    Raises:
        SpecInvalid: the file is wrong.
    """
    from reconciler.control.look import look
    from reconciler.errors import SpecInvalid

    try:
        return look(session, options)
    except SpecInvalid as error:
        if not check:
            from reconciler.control.rejected import record_rejection

            record_rejection(session, error)
        raise


def duration(text: str, option: str) -> int:
    """Milliseconds of an option's value; 0 for none."""
    from reconciler.units import parse_duration

    try:
        return parse_duration(text) if text else 0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def run_cycle(
    session: Session,
    seen: Look,
    options: PlanOptions,
    *,
    confirm: Callable[[Look], Confirmation],
    wait: bool = True,
    timeout_ms: int = 0,
    ready_ms: int = 0,
    parallel: int = 4,
    wait_lease_ms: int = 0,
    override_freeze: bool = False,
    still: Callable[[Look], None] = lambda _: None,
    also: Reporter | None = None,
    as_json: bool = False,
    purpose: str = "apply",
) -> ApplyResult | None:
    """Converge with progress on the terminal and Ctrl-C in its two meanings.

    Args:
        seen: the look that was shown; what a person asked for in it is asked for again.
        also: who else is told what happens.
    """
    from reconciler.apply.model import ApplyOptions
    from reconciler.apply.report import Both
    from reconciler.cli.interruption import interruptible
    from reconciler.cli.progress import progress_for
    from reconciler.control.cycle import converge

    interrupt = threading.Event()
    how = ApplyOptions(
        parallel=parallel,
        wait=wait,
        timeout_ms=timeout_ms,
        ready_ms=ready_ms,
        interrupt=interrupt,
        targets=options.targets,
    )
    progress = progress_for(seen.plan, as_json=as_json, colour=colour_wanted())
    with interruptible(interrupt, begun=lambda: progress.begun), progress:
        converged = converge(
            session,
            options=options,
            how=how,
            reporter=progress if also is None else Both(progress, also),
            confirm=confirm,
            requests=seen.requests,
            purpose=purpose,
            wait_lease_ms=wait_lease_ms,
            seen=seen,
            override_freeze=override_freeze,
            still=still,
        )
    if not interrupt.is_set():
        _tell_sinks(session, converged.look)
    return converged.result


def _tell_sinks(session: Session, done: Look) -> None:
    from reconciler.control.notify.notifier import tell_now

    if not tell_now(session, done.desired):
        print("fleet: not every notification was taken; the next command or `fleet watch` tries again", file=sys.stderr)


def confirmation(session: Session, *, yes: bool, ask: bool = True) -> Callable[[Look], Confirmation]:
    """How a destructive plan gets its yes: by flag, by asking whoever sits there, or within the file's own limit."""
    from reconciler.control.cycle import Confirmation, within_policy

    def confirm(look: Look) -> Confirmation:
        if yes:
            return Confirmation(session.cause.actor, "flag")
        if ask and sys.stdin.isatty() and sys.stdout.isatty():
            _ask(look)
            return Confirmation(session.cause.actor, "prompt")
        return within_policy(look)

    return confirm


def _ask(look: Look) -> None:
    from reconciler.control.cycle import destroyed, in_words
    from reconciler.errors import ConfirmationMissing

    names = ", ".join(sorted(destroyed(look.plan)))
    if not typer.confirm(f"This removes or replaces {in_words(look.plan)} ({names}). Go on?"):
        raise ConfirmationMissing("the plan was not confirmed, and nothing was done", hint="fleet plan shows it again")


def _warn(seen: Look, *, as_json: bool) -> None:
    for warning in seen.reading.warnings:
        if not as_json:
            print(f"fleet: {warning}", file=sys.stderr)


def _show_only(seen: Look, *, as_json: bool) -> int:
    if as_json:
        from reconciler.plan.render import document

        print_json(document(seen.plan))
    else:
        _show(seen, whole=True, as_json=False)
    return 0


def _show(seen: Look, *, whole: bool, as_json: bool) -> None:
    from reconciler.plan.render import document, text

    if as_json:
        print_json_line({"event": "plan", "plan": document(seen.plan)})
    elif whole:
        typer.echo(text(seen.plan, colour=colour_wanted(), width=width()))


def tell_suspended(seen: Look) -> None:
    """What is left alone because somebody said so."""
    for one in seen.plan.unchanged:
        if "suspended" in one.why:
            typer.echo(f"{one.resource}: {one.why}")


def _nothing_to_do(seen: Look, *, as_json: bool) -> int:
    count = seen.plan.counts.unchanged
    if as_json:
        print_json_line({"event": "completed", "status": "unchanged", "unchanged": count})
    else:
        for notice in seen.plan.warnings:
            typer.echo(f"{notice.resource}: {notice.text}")
        tell_suspended(seen)
        typer.echo(f"Nothing to do: {count} resource{' is' if count == 1 else 's are'} as declared.")
    return 0


def finish(result: ApplyResult | None, *, as_json: bool) -> int:
    """Say what it came to; the exit code."""
    if result is None:
        if as_json:
            print_json_line({"event": "completed", "status": "recorded"})
        else:
            typer.echo("Recorded what was seen; no container needed a change.")
        return 0
    if as_json:
        from reconciler.control.documents import applied_document

        print_json_line({"event": "completed", **applied_document(result)})
    else:
        _tell(result)
    return EXIT_CODES[result.status]


def _tell(result: ApplyResult) -> None:
    counts = f"{result.done} done, {result.failed} failed, {result.skipped} skipped"
    took = f"in {result.seconds:.1f} s"
    for service in result.reverted:
        typer.echo(f"service/{service} went back to its last good definition.", err=True)
    match result.status:
        case "succeeded":
            typer.echo(f"Done {took}: {result.done} action{'' if result.done == 1 else 's'}.")
        case "failed":
            for failure in result.failures:
                if not failure.skipped:
                    typer.echo(f"fleet: {failure.action_id}: {failure.why}", err=True)
            typer.echo(f"Failed {took}: {counts}. What did not fail is in place; run it again when mended.", err=True)
        case "interrupted" | "timed_out":
            left = f" It stopped before: {result.left_off}." if result.left_off else ""
            word = "Interrupted" if result.status == "interrupted" else "Out of time"
            typer.echo(f"{word} {took}: {counts}.{left} The next apply goes on from here.", err=True)
