"""Answers that were given under an idempotency key, so that the same request gets the same answer and is done once.

They are kept for a day, also over a restart. A request that was carried out and whose answer was lost with the process is
told apart by what it recorded: its events carry an id that follows from the key.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

FILE = "answers.db"
KEPT_MS = 86_400_000
LONGEST_KEY = 200
_SWEEP_EVERY = 1_000
_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, asked BLOB NOT NULL, status INTEGER NOT NULL,"
    " headers TEXT NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered.

    Attributes:
        asked: digest of the method, the path and the body that it answers.
        headers: those worth repeating, as lines.
    """

    asked: bytes
    status: int
    headers: str
    body: bytes


def digest(*parts: bytes) -> bytes:
    """One digest over parts, none of which can run into the next."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.digest()


def correlation(key: bytes) -> UUID:
    """The id that everything recorded under a key carries."""
    return UUID(bytes=key[:16], version=5)


class Answers:
    """Answers by key, of one project. Used by the event loop only.

    The file is no part of the log and may be lost: then a repeated request is refused instead of answered.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / FILE, isolation_level=None)
        (folder / FILE).chmod(0o600)
        for pragma in ("journal_mode = WAL", "synchronous = OFF", "busy_timeout = 1000"):
            self._connection.execute(f"PRAGMA {pragma}").fetchone()
        self._connection.execute(_TABLE)
        self._under_way: dict[bytes, asyncio.Future[None]] = {}
        self._until_sweep = 1

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    async def begin(self, key: bytes) -> Answer | None:
        """The answer that was given; None for who is to give it, and then says so with `end`.

        Who comes while it is being given waits for it.
        """
        while key in self._under_way:
            await asyncio.shield(self._under_way[key])
        row = self._connection.execute("SELECT asked, status, headers, body FROM answers WHERE key = ?", (key,))
        found = row.fetchone()
        if found is not None:
            return Answer(*found)
        self._under_way[key] = asyncio.get_running_loop().create_future()
        return None

    def end(self, key: bytes, answer: Answer | None, now_ms: int) -> None:
        """Keep an answer; None when there is none that would be given again."""
        if answer is not None:
            self._connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                (key, answer.asked, answer.status, answer.headers, answer.body, now_ms),
            )
            self._until_sweep -= 1
            if self._until_sweep == 0:
                self._until_sweep = _SWEEP_EVERY
                self._connection.execute("DELETE FROM answers WHERE at < ?", (now_ms - KEPT_MS,))
        self._under_way.pop(key).set_result(None)
