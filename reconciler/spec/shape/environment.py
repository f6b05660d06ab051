"""Environment, labels and other tables of text, as mappings or as `NAME=value` lists; env files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import FleetError
from reconciler.spec.contents import values_digest
from reconciler.spec.desired import EnvFile, SecretUse, make
from reconciler.spec.env_files import read_env_file
from reconciler.spec.reading import Field, Reader, Reading, T, any_text, filled_text
from reconciler.spec.structures import fields_of, file_path, list_of, mapping, require
from reconciler.spec.tree import Mapping, Node, Placed, Scalar, Sequence, child, is_null
from reconciler.spec.wording import quoted

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?")
OWN_LABELS = "fleet."

SECRET_USE_FIELDS = {"secret": Field("secret", filled_text)}


def secret_use(node: Node, path: str, reading: Reading) -> SecretUse | None:
    """`{secret: name}`."""
    values = fields_of(node, path, reading, SECRET_USE_FIELDS)
    if values is None or not require(node, path, reading, "secret") or "secret" not in values:
        return None
    return SecretUse(**values)


def text_or_secret(node: Node, path: str, reading: Reading) -> str | SecretUse | None:
    """Text as it is written, or a secret by reference."""
    if isinstance(node, Mapping):
        return secret_use(node, path, reading)
    if is_null(node):
        name = path.rpartition(".")[2]
        hint = f'"" for an empty one, {{secret: …}} for a secret, ${{…}} for a declared variable with env: {name}'
        reading.wrong(node, path, "this has no value", hint)
        return None
    return any_text(node, path, reading)


def text_or_empty(node: Node, path: str, reading: Reading) -> str | None:
    """Text as it is written; nothing is the empty text."""
    return "" if is_null(node) else any_text(node, path, reading)


class _Item(NamedTuple):
    """One row of a table: its name, where that stands, the value, and the path."""

    name: str
    at: Placed
    value: Node
    path: str


def table_of(
    read: Reader[T], name_form: re.Pattern[str], what: str, *, separators: str = "=", bare: bool = False
) -> Reader[dict[str, T]]:
    """A reader of a mapping or a list of `NAME=value`, sorted by name.

    Args:
        read: reads a value.
        name_form: what a name must look like.
        what: the kind of name, for messages.
        separators: the signs that may part name and value in a list.
        bare: whether a list item without a separator stands for a name with an empty value.
    """

    def reader(node: Node, path: str, reading: Reading) -> dict[str, T] | None:
        if isinstance(node, Sequence):
            items = _listed(node, path, reading, separators, bare)
        elif mapping(node, path, reading) is None or not isinstance(node, Mapping):
            return None
        else:
            items = [_Item(name, entry, entry.value, child(path, name)) for name, entry in node.entries.items()]
        values: dict[str, T] = {}
        for item in items:
            if not name_form.fullmatch(item.name):
                reading.wrong(item.at, item.path, f"{quoted(item.name)} is not {what}")
            elif item.name in values:
                reading.wrong(item.at, item.path, f"{quoted(item.name)} is given twice")
            else:
                value = read(item.value, item.path, reading)
                if value is not None:
                    values[item.name] = value
        return dict(sorted(values.items()))

    return reader


def _listed(node: Sequence, path: str, reading: Reading, separators: str, bare: bool) -> list[_Item]:
    found = []
    for index, item in enumerate(node.items):
        below = child(path, index)
        written = any_text(item, below, reading)
        if written is None:
            continue
        at = min((position for sign in separators if (position := written.find(sign)) >= 0), default=-1)
        if at < 0 and not bare:
            shown = " or ".join(f"NAME{sign}value" for sign in separators)
            reading.wrong(item, below, f"{quoted(written)} is not {shown}")
            continue
        name, value = (written, "") if at < 0 else (written[:at], written[at + 1 :])
        found.append(_Item(name, item, Scalar(item.source, item.line, item.column, value, value), below))
    return found


environment: Reader[dict[str, str | SecretUse]] = table_of(
    text_or_secret, VARIABLE_NAME, "the name of an environment variable"
)
arguments = table_of(text_or_empty, VARIABLE_NAME, "the name of a build argument")
sysctls = table_of(any_text, re.compile(r"[a-z0-9_./-]+"), "the name of a kernel setting")

_any_labels = table_of(text_or_empty, LABEL_NAME, "the name of a label", bare=True)


def labels(node: Node, path: str, reading: Reading) -> dict[str, str] | None:
    """Labels; those that begin with `fleet.` are Fleet's marks of ownership and nobody else's."""
    found = _any_labels(node, path, reading)
    for name in found or ():
        if name.startswith(OWN_LABELS):
            reading.wrong(
                node, path, f"the label {quoted(name)} is not yours", "labels that begin with fleet. are Fleet's"
            )
    return found


def env_files(node: Node, path: str, reading: Reading) -> tuple[EnvFile, ...] | None:
    """Env files in their order, which has meaning: later ones win."""
    found = list_of(_env_file, single=True)(node, path, reading)
    return None if found is None else tuple(found)


def _env_file(node: Node, path: str, reading: Reading) -> EnvFile | None:
    full = file_path(node, path, reading)
    if full is None or not reading.looks:
        return None if full is None else make(EnvFile, source=full, digest="")
    try:
        digest = values_digest(read_env_file(Path(full)), reading.key)
    except FleetError as error:
        reading.wrong(node, path, str(error), error.hint)
        return None
    reading.inputs.env_file(Path(full), digest)
    return make(EnvFile, source=full, digest=digest)
