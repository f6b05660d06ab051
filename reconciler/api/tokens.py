"""Bearer tokens: who may do what. Only their digests are kept, in a file beside the log that nobody else may read.

A token is 32 random bytes, so a plain SHA-256 of it can neither be guessed nor reversed. The file is looked at several
times a second and read again whenever it has changed: what is revoked is refused at once as far as a person can tell.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import msgspec

from reconciler.client.place import TOKEN_FILE, read_local
from reconciler.decoders import decoder
from reconciler.errors import Conflict, FleetError, NotFound
from reconciler.ids import new_id

__all__ = ["LOCAL_FILE", "LOCAL_NAME", "SCOPES", "Scope", "ScopeUnknown", "Token", "Tokens", "digest_of", "read_local"]

Scope = Literal["read", "work", "apply", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
FILE = "tokens.json"
LOCAL_FILE = TOKEN_FILE
LOCAL_NAME = "local"
_PREFIX = "fleet_"
_LOOK_EVERY_S = 0.2


class ScopeUnknown(FleetError):
    """A word that names nothing a token could allow."""

    http_status = 422
    code = "scope_unknown"


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token as it is kept.

    Attributes:
        digest: SHA-256 of the token, in hex.
        scopes: what it allows; `admin` allows everything.
        specialist: the one specialist that its bearer is; empty for a person or a program.
        expires_at: Unix ms; 0 for never.
    """

    id: str
    name: str
    digest: str
    scopes: tuple[Scope, ...]
    created_at: int
    specialist: str = ""
    expires_at: int = 0


class _Kept(msgspec.Struct):
    tokens: list[Token] = []
    version: int = 1


class Tokens:
    """The tokens of one project, in a folder that only its owner can enter."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._by_digest: dict[str, Token] = {}
        self._looked_at = 0.0

    def all(self) -> list[Token]:
        """The tokens that were made and not revoked, oldest first."""
        self._refresh()
        return list(self._by_digest.values())

    def find(self, secret: str, now_ms: int) -> Token | None:
        """The token that a bearer shows; None when there is none, or its time is over."""
        self._refresh(now=False)
        digest = digest_of(secret)
        found = self._by_digest.get(digest)
        if found is None:
            # It may have been made a moment ago.
            self._refresh()
            found = self._by_digest.get(digest)
        if found is None or (found.expires_at and found.expires_at <= now_ms):
            return None
        return found

    def create(self, name: str, scopes: Sequence[str], *, specialist: str = "", lives_ms: int = 0) -> tuple[Token, str]:
        """Make a token; it is told this once and never again.

        Raises:
            Conflict: the name is taken.
            ScopeUnknown: a scope that there is not.
        """
        wanted = tuple(dict.fromkeys(_scope(one) for one in scopes))
        secret = _PREFIX + secrets.token_urlsafe(32)
        now = time.time_ns() // 1_000_000
        token = Token(
            id=new_id("tok"),
            name=name,
            digest=digest_of(secret),
            scopes=wanted,
            created_at=now,
            specialist=specialist,
            expires_at=now + lives_ms if lives_ms else 0,
        )
        with self._changing() as kept:
            if any(one.name == name for one in kept.tokens):
                raise Conflict(f"there is a token called {name}", hint=f"fleet tokens revoke {name}")
            kept.tokens.append(token)
        return token, secret

    def revoke(self, name: str) -> Token:
        """End a token, by its name or id.

        Raises:
            NotFound: there is none.
        """
        with self._changing() as kept:
            for token in kept.tokens:
                if name in (token.name, token.id):
                    kept.tokens.remove(token)
                    return token
        raise NotFound(f"there is no token called {name}", hint="fleet tokens list")

    def local(self) -> Path:
        """The file with the token of who runs the server; made when there is none, or when it no longer holds."""
        place = self.file.with_name(LOCAL_FILE)
        secret = read_local(place.parent)
        if secret and self.find(secret, time.time_ns() // 1_000_000):
            return place
        with contextlib.suppress(NotFound):
            self.revoke(LOCAL_NAME)
        _, secret = self.create(LOCAL_NAME, ("admin",))
        _write(place, secret.encode() + b"\n")
        return place

    def _refresh(self, *, now: bool = True) -> None:
        clock = time.monotonic()
        if not now and clock < self._looked_at + _LOOK_EVERY_S:
            return
        self._looked_at = clock
        try:
            found = os.stat(self.file)
        except FileNotFoundError:
            self._seen, self._by_digest = None, {}
            return
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._by_digest = {token.digest: token for token in self._read().tokens}
            self._seen = seen

    def _read(self) -> _Kept:
        try:
            kept: _Kept = decoder(_Kept).decode(self.file.read_bytes())
            return kept
        except FileNotFoundError:
            return _Kept()
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise FleetError(f"the tokens cannot be read: {error}", where=str(self.file)) from None

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_Kept]:
        """The tokens, to be changed by one process at a time; they are written when the block ends well."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.file.with_suffix(".lock"), "a", opener=_private) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            kept = self._read()
            yield kept
            _write(self.file, msgspec.json.format(msgspec.json.encode(kept), indent=1))
        self._refresh()


def digest_of(secret: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _scope(word: str) -> Scope:
    for scope in SCOPES:
        if word == scope:
            return scope
    raise ScopeUnknown(f"there is no scope {word!r}", hint=", ".join(SCOPES))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(path: Path, content: bytes) -> None:
    """Replace a file as a whole; it is never readable by others, not even for a moment."""
    made = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(made, "wb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(made, path)
