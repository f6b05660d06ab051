"""Two stores on one log in one process: what the second one does must not take the first one's locks away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from reconciler.projections.store import open_store
from tests.support.logs import tell_some

_APPEND = """
import sys
from pathlib import Path
from reconciler.projections.store import open_store
from tests.support.logs import tell_some
with open_store(Path(sys.argv[1])) as store:
    tell_some(store, rounds=1)
"""


def test_a_store_sees_what_others_append_after_a_second_one_was_closed_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "squawk.db"
    with open_store(path) as first:
        tell_some(first, rounds=1)
        before = first.head()
        for mode in ("write", "read"):
            with open_store(path, mode=mode) as second:  # type: ignore[arg-type]
                assert second.head() == first.head()
            subprocess.run([sys.executable, "-c", _APPEND, str(path)], check=True, cwd=Path(__file__).parents[3])
        assert first.head() > before + 11
        tell_some(first, rounds=1)
        head = first.head()
    with open_store(path, mode="read") as again:
        assert again.head() == head
