"""`fleet tokens`: who may ask the server, and for what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.apply import duration
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import columns, local_time, print_json, utc_time

if TYPE_CHECKING:
    from reconciler.api.tokens import Token, Tokens

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="What it is called.", metavar="NAME")]


@app.callback()
def tokens() -> None:
    """Make, list and revoke the tokens of `fleet serve`. Only their digests are kept."""


@app.command()
@about_project
def create(
    project: Project,
    name: NameArgument,
    scope: Annotated[
        list[str],
        typer.Option("--scope", "-s", help="read, work, apply or admin; may be repeated.", metavar="SCOPE"),
    ] = [],
    specialist: Annotated[
        str, typer.Option("--specialist", help="Its bearer is this specialist, and no other.", metavar="ID")
    ] = "",
    expires: Annotated[str, typer.Option("--expires", help="It ends by itself after this long.", metavar="TIME")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, once: it cannot be shown again.

    `read` looks at everything; `work` also registers, claims, reports, sends and reserves; `apply` also changes what the fleet
    is; `admin` does all of it, and appends raw events. A specialist's token works, as that specialist only.

    \b
    Examples:
      fleet tokens create dashboard --scope read
      fleet tokens create ci --scope apply --expires 90d
      fleet tokens create builder-1 --specialist spec_builder_1
    """
    if not scope and not specialist:
        raise typer.BadParameter("say what it allows", param_hint="--scope")
    found = _tokens(project)
    lives_ms = duration(expires, "--expires")
    token, secret = found.create(name, scope, specialist=specialist, lives_ms=lives_ms)
    if as_json:
        print_json({**_document(token), "token": secret})
    else:
        typer.echo(secret)


@app.command("list")
@about_project
def list_(project: Project, as_json: JsonOption = False) -> None:
    """List the tokens that are in force. What they are is not kept.

    \b
    Examples:
      fleet tokens list
      fleet tokens list --json
    """
    found = _tokens(project).all()
    if as_json:
        print_json({"tokens": [_document(token) for token in found]})
    elif not found:
        typer.echo("there are no tokens; the first start of `fleet serve` makes one")
    else:
        rows = [
            (token.name, _reach(token), local_time(token.created_at), local_time(token.expires_at)) for token in found
        ]
        typer.echo(columns(("NAME", "ALLOWS", "MADE", "ENDS"), rows))


@app.command()
@about_project
def revoke(project: Project, name: NameArgument, as_json: JsonOption = False) -> None:
    """End a token. A running server refuses it at once.

    \b
    Examples:
      fleet tokens revoke ci
    """
    token = _tokens(project).revoke(name)
    if as_json:
        print_json(_document(token))
    else:
        typer.echo(f"{token.name} is revoked")


def _tokens(project: Project) -> Tokens:
    from reconciler.api.tokens import Tokens
    from reconciler.control.session import open_session

    with open_session(project) as session:
        return Tokens(session.database.parent)


def _reach(token: Token) -> str:
    words = [*token.scopes, *([f"as {token.specialist}"] if token.specialist else [])]
    return ", ".join(words)


def _document(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list(token.scopes),
        "specialist": token.specialist or None,
        "created_at": utc_time(token.created_at),
        "expires_at": utc_time(token.expires_at),
    }
