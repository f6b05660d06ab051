"""`fleet why`: the chain of causes of a resource, from its last change back to the edit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli.completion import known_resources
from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import colour_wanted, paint, print_json, short_local_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.ops.why import Story

_LONGEST_VALUE = 60


@about_project
def why(
    project: Project,
    resource: Annotated[
        str,
        typer.Argument(
            help="service/web/2, mission/add-login, sortie/add-login/build, or a bare name.",
            metavar="RESOURCE",
            autocompletion=known_resources,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Tell why a resource is as it is: from its last change back to the edit, with who did it and which fields.

    \b
    Examples:
      fleet why web                 every replica of service/web
      fleet why service/web/2       one replica
      fleet why network/default
      fleet why sortie/add-login/build   why it waits, or what became of it
      fleet why web --json
    """
    from reconciler.control.session import open_session
    from reconciler.control.work_reasons import Explained
    from reconciler.errors import NotFound
    from reconciler.ops import why as library

    with open_session(project) as session:
        store = session.store
        if store is None:
            raise NotFound("nothing has been applied yet", hint="fleet apply")
        stories = library.why(Explained(store), resource)
    if as_json:
        from reconciler.control.documents import story_document

        print_json([story_document(story) for story in stories])
        return
    on = colour_wanted()
    typer.echo("\n\n".join("\n".join(_lines(story, on=on)) for story in stories))


def _lines(story: Story, *, on: bool) -> Iterator[str]:
    """The summary, then one line a link, each further in than what it led to; changed fields under their decision."""
    yield paint(story.summary, "bold", on=on)
    for depth, link in enumerate(story.links):
        indent = "  " * depth
        mark = "└ " if depth else ""
        time = paint(short_local_time(link.event.occurred_at), "dim", on=on)
        yield f"  {time}  {indent}{mark}{link.text}"
        if link.event.event_type == "action_intended":
            for change in link.event.data["reason"].get("changes") or ():
                yield f"                  {indent}    {_change(change)}"
        elif link.event.event_type == "revision_accepted":
            files = [str(file["path"]) for file in link.event.data.get("files") or ()]
            if files:
                yield f"                  {indent}    from {', '.join(files)}"


def _change(change: dict[str, Any]) -> str:
    """`image: localhost/web:1 → localhost/web:2`."""
    return f"{change['path']}: {_value(change.get('old'))} → {_value(change.get('new'))}"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
