"""Values of secrets, fetched at the moment they are needed, and the digests that stand for them elsewhere.

A secret is declared by reference: an environment variable, a file or a command. Its value goes to the engine and
nowhere else; what the log and the plans see is a keyed digest, whose key lies beside the project's database. Without the
key a digest says nothing about the value, however short that is.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import FleetError
from reconciler.spec.desired import SecretSource
from reconciler.spec.masked import masked_text
from reconciler.spec.source import Unreadable, read_regular
from reconciler.spec.wording import visible

SCHEME = "hmac-v1"
KEY_FILE = "secrets.key"
KEY_BYTES = 32
MAX_BYTES = 512_000
COMMAND_SECONDS = 60


def resolve(source: SecretSource, *, project: Path, environ: Mapping[str, str]) -> bytes:
    """The value of a secret.

    One line end at the end of a file or of a command's output is not part of the value.

    Args:
        source: where the value comes from.
        project: the folder in which a command runs.
        environ: the environment that is looked into and passed to a command.

    Raises:
        FleetError: when there is no value. The message never holds any part of one.
    """
    if source.env:
        value = _from_environment(source, environ)
    elif source.file:
        value = _without_line_end(_from_file(source))
    else:
        value = _without_line_end(_from_command(source, project, environ))
    if not value:
        raise FleetError(f"the secret {source.name} is empty", hint=f"it comes from {described(source)}")
    if len(value) > MAX_BYTES:
        raise FleetError(f"the secret {source.name} is longer than {MAX_BYTES} bytes, which no engine takes")
    return value


def described(source: SecretSource) -> str:
    """Where a secret comes from, in words."""
    if source.env:
        return f"the environment variable {source.env}"
    if source.file:
        return f"the file {source.file}"
    return f"the command {_shown(source)}"


def _shown(source: SecretSource) -> str:
    import shlex

    return visible(masked_text(shlex.join(source.command)))


def _from_environment(source: SecretSource, environ: Mapping[str, str]) -> bytes:
    value = environ.get(source.env)
    if value is None:
        raise FleetError(
            f"the secret {source.name} has no value: the environment variable {source.env} is not set",
            hint=f"set it with: export {source.env}=…",
        )
    return os.fsencode(value)


def _from_file(source: SecretSource) -> bytes:
    try:
        return read_regular(Path(source.file), limit=MAX_BYTES + 2)
    except Unreadable as error:
        raise FleetError(f"the secret {source.name} has no value: {source.file} {error}") from None


def _from_command(source: SecretSource, project: Path, environ: Mapping[str, str]) -> bytes:
    import subprocess

    try:
        done = subprocess.run(
            source.command,
            cwd=project,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FleetError(
            f"the secret {source.name} has no value: its command took longer than {COMMAND_SECONDS} s"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it cannot be started"
        raise FleetError(
            f"the secret {source.name} has no value: its command cannot be run ({reason})",
            hint=f"the command is {_shown(source)}",
        ) from None
    if done.returncode != 0:
        raise FleetError(
            f"the secret {source.name} has no value: its command ended with exit code {done.returncode}",
            hint=f"try it by hand: {_shown(source)}",
        )
    return done.stdout


def _without_line_end(value: bytes) -> bytes:
    return value.removesuffix(b"\n").removesuffix(b"\r")


def keyed_digest(value: bytes, key: bytes) -> str:
    """`hmac-v1:` and the HMAC-SHA-256 of the value; empty when there is no key."""
    if not key:
        return ""
    return f"{SCHEME}:{hmac.new(key, value, hashlib.sha256).hexdigest()}"


def read_key(folder: Path) -> bytes:
    """The key of this project's digests; empty when none was made yet.

    Args:
        folder: the project's data folder.

    Raises:
        FleetError: when there is a key file that cannot be read or is not one.
    """
    path = folder / KEY_FILE
    try:
        key = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise FleetError(
            f"the key of the secrets' digests cannot be read: {error.strerror}", where=str(path)
        ) from error
    if len(key) != KEY_BYTES:
        raise FleetError(
            "the key of the secrets' digests is damaged",
            where=str(path),
            hint="restore it from a backup; without it every container with a secret is replaced once",
        )
    return key


def make_key(folder: Path) -> bytes:
    """The key of this project's digests, made if there is none; safe when several processes do it at once."""
    key = read_key(folder)
    if key:
        return key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEY_FILE
    fresh = folder / f".{KEY_FILE}.{os.urandom(8).hex()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces a key that another process made meanwhile.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
    return read_key(folder)
