"""`fleet missions plan`: propose sorties for a goal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json


@about_project
def plan(
    project: Project,
    goal: Annotated[str, typer.Argument(help="What is to be reached, in a sentence.", metavar="GOAL")],
    name: Annotated[str, typer.Option("--name", help="The mission's key in fleet.yaml.", metavar="NAME")] = "",
    strategy: Annotated[
        str,
        typer.Option("--strategy", help="file-based, feature-based, risk-based or research-based.", metavar="STRATEGY"),
    ] = "",
    planner: Annotated[
        str,
        typer.Option(
            "--planner",
            help="Ask an agent: a specialist of the file, claude-code, codex or opencode.",
            metavar="PLANNER",
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it to a new file, for include:.", metavar="FILE")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Propose a mission for a goal as text for fleet.yaml. Nothing runs and no file of yours is changed.

    Without a planner the goal's words choose a strategy: by file (refactor, migrate, rename …), by feature (add, build
    …), by risk (fix, security …) or by research. The proposal is checked: no file in two sorties, dependencies that exist
    and make no circle, files that are there. With a problem the exit code is 1.

    \b
    Examples:
      fleet missions plan "Add login with a session cookie"
      fleet missions plan "Rename Basket to Cart in all modules" --out fleet.d/rename.yaml
      fleet missions plan "Fix the bug in the parser" --planner claude-code
    """
    from reconciler.control import decomposing
    from reconciler.control.session import open_session
    from reconciler.errors import FleetError

    if not goal.strip():
        raise typer.BadParameter("say what is to be reached", param_hint="GOAL")
    if strategy and strategy not in decomposing.STRATEGIES:
        raise typer.BadParameter(f"one of {', '.join(decomposing.STRATEGIES)}", param_hint="--strategy")
    with open_session(project) as session:
        if planner:
            found = decomposing.ask(session, goal, planner)
        else:
            found = decomposing.propose(
                session.directory, goal, next((one for one in decomposing.STRATEGIES if one == strategy), None)
            )
    key = name or decomposing.mission_name(goal)
    text = decomposing.yaml_text(found, key)
    if out is not None:
        try:
            with out.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise FleetError("there is a file already", where=str(out), hint="choose another name for --out") from None
        except OSError as error:
            raise FleetError(f"the proposal cannot be written: {error.strerror}", where=str(out)) from None
    if as_json:
        print_json(
            {
                "goal": goal,
                "mission": key,
                "strategy": found.choice.strategy,
                "scores": dict(found.choice.scores),
                "parallel": found.parallel,
                "sorties": [
                    {
                        "name": one.name,
                        "title": one.title,
                        "prompt": one.prompt,
                        "files": list(one.files),
                        "depends_on": list(one.depends_on),
                        "complexity": one.complexity,
                        "review": one.review or None,
                    }
                    for one in found.sorties
                ],
                "problems": list(found.problems),
                "yaml": text,
            }
        )
    elif out is None:
        typer.echo(text, nl=False)
    else:
        from reconciler.plan.reasons import counted

        typer.echo(f"{counted(len(found.sorties), 'sortie')} proposed in {out}; read it, include it, commit it")
    for problem in found.problems:
        print(f"fleet: {problem}", file=sys.stderr)
    return 1 if found.problems else 0
