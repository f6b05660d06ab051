"""What a plan must not show: values that somebody wrote into the file in the open and that look like secrets.

Declared secrets never get this far, only their names do. A plan is pasted into pull requests and chat, so variables that
are named like secrets and passwords inside URLs are covered; that something changed stays visible.
"""

from __future__ import annotations

from typing import Any

from reconciler.plan.model import FieldChange
from reconciler.spec.masked import MASK, is_secret_name, masked_text
from reconciler.spec.masked import masked as masked_document

_TABLES = ("environment.", "labels.", "sysctls.", "build.args.")


def masked(change: FieldChange) -> FieldChange:
    """The change with what must not be shown covered."""
    secret = change.path.startswith(_TABLES) and is_secret_name(change.path.rpartition(".")[2])
    return FieldChange(change.path, _shown(change.old, secret), _shown(change.new, secret))


def _shown(value: Any, secret: bool) -> Any:
    """A use of a declared secret is a mapping, not text, and is no secret itself."""
    if not isinstance(value, str):
        return masked_document(value)
    return MASK if secret and value else masked_text(value)
