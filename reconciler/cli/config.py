"""`fleet config`: the effective file, secrets masked."""

from __future__ import annotations

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import print_json


@about_project
def config(project: Project, as_json: JsonOption = False) -> None:
    """Show the file as Fleet understands it: includes joined, overlay laid over, variables filled in, sugar expanded.

    \b
    What looks like a secret is masked; secrets by reference are shown as references. Changes nothing.
    Examples:
      fleet config
      fleet config --env prod --json
    """
    from reconciler.spec.effective import effective, to_yaml
    from reconciler.spec.load import LoadOptions, load
    from reconciler.spec.masked import masked

    options = LoadOptions(project.env, project.variables, project.var_files, project.profiles)
    loaded = load(project.file, project=project.directory, options=options)
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    document = masked(effective(loaded.desired))
    if as_json:
        print_json(document)
    else:
        typer.echo(to_yaml(document), nl=False)
