"""`fleet migrate`: the schema of the log's database, and the way from and to the old squawk.json."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="migrate",
    help="Move the log's schema, and import the old squawk.json.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def migrate() -> None:
    """Move the log's schema, and import the old squawk.json."""
