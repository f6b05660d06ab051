"""`fleet squawk`: messages to and from the fleet's agents."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from reconciler.cli.options import JsonOption, Project, about_project
from reconciler.cli.output import columns, print_json, print_json_line, short_local_time, width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.control.session import Session
    from reconciler.projections.rows import Row
    from reconciler.work.squawk import MessagePriority
    from reconciler.work.state import Message

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, add_completion=False)

WhoOption = Annotated[
    str, typer.Option("--as", help="In whose name, instead of your own: a specialist's name or id.", metavar="NAME")
]
MailboxOption = Annotated[
    str,
    typer.Option("--mailbox", help="Another mailbox than your own: a specialist, a pool, any name.", metavar="NAME"),
]
MessageArgument = Annotated[str, typer.Argument(help="The message's id.", metavar="MESSAGE")]


@app.callback()
def squawk() -> None:
    """Send messages to agents, read theirs, and follow what is said."""


@app.command()
@about_project
def send(
    project: Project,
    mailbox: Annotated[str, typer.Argument(help="To whom: a specialist, a pool, any name.", metavar="MAILBOX")],
    text: Annotated[str, typer.Argument(help="What to say; a JSON object is sent as it is.", metavar="TEXT")],
    kind: Annotated[str, typer.Option("--type", help="What kind of message it is.", metavar="WORD")] = "note",
    priority: Annotated[
        str, typer.Option("--priority", help="low, normal, high or urgent.", metavar="WORD")
    ] = "normal",
    thread: Annotated[
        str, typer.Option("--thread", help="The conversation that it belongs to; made if it is new.", metavar="THREAD")
    ] = "",
    title: Annotated[str, typer.Option("--title", help="What a new conversation is about.", metavar="TEXT")] = "",
    message_id: Annotated[
        str, typer.Option("--id", help="Your own id for it: sent again, it is no second message.", metavar="ID")
    ] = "",
    who: WhoOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put a message into a mailbox. It waits there until it is read, also through a crash.

    \b
    Examples:
      fleet squawk send builder-1 "leave the parser alone today"
      fleet squawk send builder '{"task": "rebase"}' --type request --priority urgent
      fleet squawk send reviewer-1 "what about this?" --thread design --title "The design"
    """
    from reconciler.control.coordination import mailbox_of, message_document, open_coordination
    from reconciler.control.desk import messages
    from reconciler.control.desk.desk import Work
    from reconciler.control.session import open_session

    with open_session(project) as session:
        desk, store = open_coordination(session)
        sender, to = _me(session, who), mailbox_of(store.rows(), mailbox)

        def command(work: Work) -> Message:
            if thread:
                messages.open_thread([sender, to], title=title, thread_id=thread)(work)
            return messages.send(
                to,
                _content(text),
                message_type=kind,
                sender_id=sender,
                thread_id=thread,
                priority=cast("MessagePriority", priority),
                message_id=message_id,
            )(work)

        sent = desk.run(command).value
        row = store.rows().get("messages", sent.id) or {}
    if as_json:
        print_json(message_document(row))
    else:
        typer.echo(f"{sent.id} waits for {mailbox}")


@app.command()
@about_project
def read(
    project: Project,
    mailbox: MailboxOption = "",
    who: WhoOption = "",
    peek: Annotated[bool, typer.Option("--peek", help="Look only; they stay unread.")] = False,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that were read or dealt with, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many; 0 is all.", min=0, metavar="N")] = 0,
    consumer: Annotated[
        str,
        typer.Option("--consumer", help="Only what came after this reader's place, which moves on.", metavar="NAME"),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Read what waits in a mailbox, the most urgent first; from then on it is read, until it is acknowledged.

    \b
    Examples:
      fleet squawk read
      fleet squawk read --mailbox builder-1 --peek
      fleet squawk read --all --json
    """
    from reconciler.control.coordination import mailbox_of, message_document, open_coordination, rows_of
    from reconciler.control.desk import messages
    from reconciler.control.session import open_session

    with open_session(project) as session:
        rows = rows_of(session)
        box = mailbox_of(rows, mailbox) if mailbox else _me(session, who)
        after = int((messages.cursor(rows, box, consumer) or {}).get("position", 0)) if consumer else 0
        found = messages.inbox(rows, box, after=after, unread_only=not every)[: limit or None]
        if found and not peek and not every:
            desk, store = open_coordination(session)
            reader = _me(session, who)
            take = messages.take(box, reader, limit=limit, consumer_id=consumer, after=after)
            found, rows = desk.run(take).value, store.rows()
        shown = [rows.get("messages", one.id) or {} for one in found]
    if as_json:
        print_json([message_document(row) for row in shown])
    elif shown:
        typer.echo("\n".join(_table(shown)))
    else:
        typer.echo(f"no messages for {mailbox or box}")


@app.command()
@about_project
def ack(
    project: Project,
    message: MessageArgument,
    answer: Annotated[
        str, typer.Option("--answer", help="What came of it; a JSON object is kept as it is.", metavar="TEXT")
    ] = "",
    who: WhoOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say that a message was dealt with, so that nobody gets it again.

    \b
    Examples:
      fleet squawk ack msg_0190c2
      fleet squawk ack msg_0190c2 --answer "merged"
    """
    from reconciler.control.coordination import message_document, open_coordination
    from reconciler.control.desk import messages
    from reconciler.control.session import open_session

    with open_session(project) as session:
        desk, store = open_coordination(session)
        response = _content(answer) if answer else None
        done = desk.run(messages.ack(message, _me(session, who), response=response)).value
        row = store.rows().get("messages", done.id) or {}
    if as_json:
        print_json(message_document(row))
    else:
        typer.echo(f"{done.id} is acknowledged")


@app.command()
@about_project
def threads(
    project: Project,
    thread: Annotated[str, typer.Argument(help="Show what was said in this one.", metavar="THREAD")] = "",
    close: Annotated[bool, typer.Option("--close", help="End it.")] = False,
    every: Annotated[bool, typer.Option("--all", "-a", help="Closed ones, too.")] = False,
    who: WhoOption = "",
    as_json: JsonOption = False,
) -> None:
    """List conversations, or show what was said in one.

    \b
    Examples:
      fleet squawk threads
      fleet squawk threads design
      fleet squawk threads design --close
    """
    from reconciler.control.coordination import message_document, open_coordination, rows_of, thread_document
    from reconciler.control.desk import messages, reading
    from reconciler.control.session import open_session

    if close and not thread:
        raise typer.BadParameter("say which conversation", param_hint="--close")
    with open_session(project) as session:
        if close:
            desk, _ = open_coordination(session)
            desk.run(messages.change_thread(thread, _me(session, who), "close"))
        rows = rows_of(session)
        if thread:
            reading.thread(rows, thread)
            row = rows.get("threads", thread) or {}
            said = [rows.get("messages", one.id) or {} for one in messages.in_thread(rows, thread)]
            if as_json:
                print_json(thread_document(row) | {"messages": [message_document(one) for one in said]})
            else:
                typer.echo(f"{row.get('title') or thread}: {row['status']}, {', '.join(row['participants'])}")
                typer.echo("\n".join(_line(one) for one in said))
            return
        found = [row for _, row in rows.scan("threads") if every or row["status"] == "open"]
    if as_json:
        print_json([thread_document(row) for row in found])
    elif found:
        table = [(row["id"], row["status"], row.get("title") or "-", ", ".join(row["participants"])) for row in found]
        typer.echo(columns(("THREAD", "STATUS", "TITLE", "PARTICIPANTS"), table, limit=max(width(), 80)))
    else:
        typer.echo("no conversations")


@app.command()
@about_project
def watch(
    project: Project,
    mailbox: MailboxOption = "",
    every: Annotated[bool, typer.Option("--all", "-a", help="Every mailbox.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="End after so many; 0 is never.", min=0, metavar="N")] = 0,
    consumer: Annotated[
        str,
        typer.Option(
            "--consumer", help="Begin after this reader's place in the mailbox, and move it on.", metavar="NAME"
        ),
    ] = "",
    who: WhoOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show messages as they come, until Ctrl-C. They stay unread.

    A consumer that comes again begins where it ended; what it was shown last before a crash it may be shown again.

    \b
    Examples:
      fleet squawk watch
      fleet squawk watch --all --json
      fleet squawk watch --mailbox builder-1 --consumer pager
    """
    from reconciler.control.coordination import mailbox_of, message_document, open_coordination
    from reconciler.control.desk import messages
    from reconciler.control.session import open_session
    from reconciler.projections.store import EventQuery

    if every and consumer:
        raise typer.BadParameter("a reader's place is one in a single mailbox", param_hint="--consumer")
    with open_session(project) as session:
        desk, store = open_coordination(session)
        box = mailbox_of(store.rows(), mailbox) if mailbox else _me(session, who)
        place = messages.cursor(store.rows(), box, consumer) if consumer else None
        after = int(place["position"]) if place else (0 if consumer else store.head())
        shown = 0
        for event in store.follow(EventQuery(types=("squawk_sent", "squawk_requeued"), after=after)):
            if not every and event.data["mailbox_id"] != box:
                continue
            row = store.rows().get("messages", event.data["message_id"]) or {}
            if as_json:
                print_json_line(message_document(row))
            else:
                print(_line(row), flush=True)
            if consumer:
                desk.run(messages.advance(box, event.sequence_number, consumer_id=consumer))
            shown += 1
            if limit and shown >= limit:
                return


def _me(session: Session, who: str) -> str:
    """In whose name: a specialist by its id, anybody else by name."""
    from reconciler.control.coordination import mailbox_of, rows_of
    from reconciler.control.provenance import actor

    return mailbox_of(rows_of(session), who) if who else actor(session.environ)


def _content(text: str) -> dict[str, Any]:
    """What is sent: a JSON object as it is, anything else as text."""
    import json

    if text == "-":
        text = sys.stdin.read()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"text": text}


def _plain(row: Row) -> str:
    """A message's content on one line; control characters of an agent's text would be the terminal's commands."""
    import json

    content = row["content"]
    text = content["text"] if set(content) == {"text"} else json.dumps(content, ensure_ascii=False)
    return "".join(c if c.isprintable() else " " for c in str(text))


def _line(row: Row) -> str:
    urgency = f" [{row['priority']}]" if row["priority"] != "normal" else ""
    head = f"{short_local_time(row['sent_at'])}  {row['sender_id'] or '-'} → {row['mailbox_id']}{urgency}"
    return f"{head}: {_plain(row)}"


def _table(rows: Iterable[Row]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        answer = f"  ({row['status']})" if row["status"] == "acked" else ""
        lines += [_line(row), f"    {row['id']}  {row['message_type']}{answer}"]
    return lines
