"""From a Compose file to a fleet.yaml that plans the same containers.

    Compose files → positioned tree → interpolation kept as declared variables → includes, extends and overrides merged →
    each service key turned into ours, or noted → text with comments

What has no counterpart is never dropped in silence: it becomes a `Note` with its file, line and key. Sentences that need
a decision at conversion time (a nested default, a variable that is not set) are noted as well.
"""

from __future__ import annotations

from reconciler.spec.composefile.convert import Conversion, convert
from reconciler.spec.composefile.notes import Note

__all__ = ["Conversion", "Note", "convert"]
