"""The tools of one specialist's server. What their descriptions say is all that an agent knows of them."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import Field

from reconciler.mcp import forms, showing
from reconciler.mcp.seat import Seat
from reconciler.work.locks import Purpose
from reconciler.work.reviews import Verdict
from reconciler.work.sorties import BlockerType
from reconciler.work.squawk import MessagePriority


def now_ms() -> int:
    """The clock, in Unix ms."""
    return time.time_ns() // 1_000_000


class Working:
    """Doing sorties and reviews."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def claim(self) -> forms.Claimed:
        """Ask for the next thing to do, and begin it: a sortie, one that a review sent back, or a review."""
        return showing.claimed(self._seat.claim())

    def progress(
        self,
        percent: Annotated[int, Field(description="How far the sortie is, 0 to 100.", ge=0, le=100)],
        message: Annotated[str, Field(description="What you are doing, in a sentence.")] = "",
        artifacts: Annotated[list[str], Field(description="Files that you have made so far.")] = [],
    ) -> forms.SortieState:
        """Tell how far your sortie is."""
        return showing.sortie(self._seat.rows, self._seat.progress(percent, message, artifacts))

    def block(
        self,
        reason: Annotated[str, Field(description="What you wait for, in a sentence.", min_length=1)],
        kind: Annotated[BlockerType, Field(description="What stands in the way.")] = "external",
        blocker_id: Annotated[str, Field(description="Id of the sortie or specialist in the way.")] = "",
    ) -> forms.SortieState:
        """Say that your sortie cannot go on, so that others see why."""
        return showing.sortie(self._seat.rows, self._seat.block(reason, kind, blocker_id))

    def unblock(self, reason: Annotated[str, Field(description="What has changed.")] = "") -> forms.SortieState:
        """Go on with your sortie after a block."""
        return showing.sortie(self._seat.rows, self._seat.unblock(reason))

    def complete(
        self,
        summary: Annotated[str, Field(description="What you did, or why it did not work out.", min_length=1)],
        success: Annotated[bool, Field(description="Whether the sortie did what it was for.")] = True,
        artifacts: Annotated[list[str], Field(description="Files that you made, inside the project.")] = [],
        metrics: Annotated[dict[str, Any], Field(description="Numbers worth keeping.")] = {},
    ) -> forms.SortieState:
        """Hand in your sortie. Its files are given back; a review may follow."""
        result: dict[str, Any] = {"success": success, "summary": summary}
        if metrics:
            result["metrics"] = metrics
        return showing.sortie(self._seat.rows, self._seat.complete(result, artifacts))

    def hand_back(
        self,
        reason: Annotated[str, Field(description="Why somebody else should do it.", min_length=1)],
    ) -> forms.SortieState:
        """Give your sortie back to the fleet. It costs no attempt."""
        return showing.sortie(self._seat.rows, self._seat.hand_back(reason))

    def review(
        self,
        verdict: Annotated[Verdict, Field(description="needs_changes sends it back with your feedback.")],
        feedback: Annotated[str, Field(description="What is good, and what has to change.")] = "",
        issues: Annotated[list[forms.Issue], Field(description="What you found, one by one.")] = [],
    ) -> forms.SortieState:
        """Give the verdict of the review that you claimed."""
        found = [one.model_dump(exclude_defaults=True) for one in issues]
        return showing.sortie(self._seat.rows, self._seat.conclude(verdict, feedback, found))


class Talking:
    """Messages."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def squawk_send(
        self,
        to: Annotated[str, Field(description="A specialist's name or id, a person, or any mailbox.", min_length=1)],
        text: Annotated[str, Field(description="What to say.")],
        data: Annotated[dict[str, Any], Field(description="Facts that belong to it.")] = {},
        type: Annotated[str, Field(description="What kind of message it is.")] = "note",  # noqa: A002
        priority: Annotated[MessagePriority, Field(description="How urgent it is.")] = "normal",
        thread: Annotated[str, Field(description="The conversation that it belongs to; made if it is new.")] = "",
        message_id: Annotated[str, Field(description="Your own id: sent again, it is no second message.")] = "",
    ) -> forms.Letter:
        """Send a message to another specialist or to a person."""
        content = {"text": text, **({"data": data} if data else {})}
        return showing.letter(
            self._seat.send(to, content, kind=type, priority=priority, thread=thread, message_id=message_id)
        )

    def squawk_read(
        self,
        limit: Annotated[int, Field(description="At most so many; 0 is all.", ge=0)] = 20,
        peek: Annotated[bool, Field(description="Look only: they stay unread.")] = False,
    ) -> forms.Letters:
        """Read your messages, the most urgent first. Acknowledge each when you have dealt with it."""
        return forms.Letters(messages=[showing.letter(row) for row in self._seat.read(limit=limit, peek=peek)])

    def squawk_ack(
        self,
        message_id: Annotated[str, Field(description="The message.", min_length=1)],
        response: Annotated[dict[str, Any], Field(description="What came of it.")] = {},
    ) -> forms.Letter:
        """Say that you have dealt with a message, so that nobody gets it again."""
        return showing.letter(self._seat.ack(message_id, response))


class Keeping:
    """Reservations, checkpoints, and how things stand."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def reserve(
        self,
        paths: Annotated[list[str], Field(description="Files, globs, or folders with a slash.", min_length=1)],
        purpose: Annotated[Purpose, Field(description="What you will do with them.")] = "edit",
        minutes: Annotated[float, Field(description="It ends by itself after so long.", gt=0, le=1440)] = 10,
    ) -> forms.Reservations:
        """Reserve files before you touch them, all or none; again prolongs. A refusal names who holds them."""
        return showing.reservations(self._seat.reserve(paths, purpose, round(minutes * 60_000)))

    def release(
        self,
        names: Annotated[list[str], Field(description="Paths or lock ids.", min_length=1)],
    ) -> forms.Reservations:
        """Give your reservations back."""
        return showing.reservations(self._seat.release(names))

    def checkpoint(
        self,
        note: Annotated[str, Field(description="What whoever goes on should know.")] = "",
        working_files: Annotated[list[str], Field(description="Files that you are at.")] = [],
        facts: Annotated[dict[str, Any], Field(description="Anything else worth keeping.")] = {},
        ttl_hours: Annotated[float | None, Field(description="It may be thrown away after so long.", gt=0)] = None,
    ) -> forms.Kept:
        """Keep how far you are, so that work can go on after a crash, on you or on another specialist."""
        context = {**facts, **({"working_files": working_files} if working_files else {})}
        return showing.kept(self._seat.checkpoint(note, context, ttl_hours))

    def take_up(
        self,
        checkpoint_id: Annotated[str, Field(description="The checkpoint; the newest when empty.")] = "",
    ) -> forms.TakenUp:
        """Take up the work of a checkpoint whose specialist is gone; then claim gives you its sortie."""
        return showing.taken_up(*self._seat.take_up(checkpoint_id))

    def status(self) -> forms.Status:
        """See how you and the fleet stand: your sortie, your messages and files, the missions."""
        return showing.status(self._seat, now_ms())
