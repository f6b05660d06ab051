"""What a plan must not show: values of environment variables that are named like secrets, and passwords inside URLs.

Declared secrets never get this far, only their names do. This is for values that somebody wrote into the file in the
open: a plan is pasted into pull requests and chat.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.plan.model import FieldChange

MASK = "(masked)"

_NAMED_LIKE_A_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|token|credential|(api|access|private|signing|encryption)_?key", re.IGNORECASE
)
_PASSWORD_IN_URL = re.compile(r"(?P<user>\w+://[^\s/:@]*):[^\s@]+@")
_VALUES = ("environment.", "labels.", "build.args.")


def masked(change: FieldChange) -> FieldChange:
    """The change with what must not be shown left out; that something changed stays visible."""
    if change.path.startswith(_VALUES) and _NAMED_LIKE_A_SECRET.search(change.path):
        return FieldChange(change.path, _hidden(change.old), _hidden(change.new))
    return FieldChange(change.path, _without_passwords(change.old), _without_passwords(change.new))


def _hidden(value: Any) -> Any:
    """A reference to a secret is no secret."""
    return MASK if isinstance(value, str) and value else value


def _without_passwords(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD_IN_URL.sub(rf"\g<user>:{MASK}@", value) if "@" in value else value
    if isinstance(value, list):
        return [_without_passwords(one) for one in value]
    if isinstance(value, dict):
        return {key: _without_passwords(one) for key, one in value.items()}
    return value
