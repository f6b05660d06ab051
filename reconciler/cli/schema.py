"""`fleet schema`: the JSON Schema of fleet.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to a file instead.", metavar="FILE")
    ] = None,
) -> None:
    """Print the JSON Schema of fleet.yaml, for editors that check and complete while you type.

    \b
    Say in the first line of fleet.yaml where it is:
      # yaml-language-server: $schema=./schemas/fleet.schema.json
    Examples:
      fleet schema -o fleet.schema.json
    """
    from reconciler.spec.schema import render

    text = render()
    if output is None:
        typer.echo(text, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    typer.echo(f"written to {output}")
