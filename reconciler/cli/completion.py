"""What the shell may offer for a word that is being typed. Completion never fails: where nothing can be read, nothing is
offered.
"""

from __future__ import annotations

from pathlib import Path


def known_resources(incomplete: str) -> list[str]:
    """Addresses that the log of the project in this folder knows, which begin with what was typed."""
    from reconciler.cli.options import Project, find_file
    from reconciler.control.session import open_session
    from reconciler.errors import FleetError
    from reconciler.ops.work_view import latest_runs

    file = find_file(Path.cwd())
    try:
        with open_session(Project(file=file, directory=file.parent.resolve())) as session:
            store = session.store
            if store is None:
                return []
            rows = store.rows()
            names = [f"service/{name}" for name, _ in rows.scan("services")]
            names += [f"network/{name}" for name, _ in rows.scan("networks")]
            names += [f"volume/{name}" for name, _ in rows.scan("volumes")]
            names += [f"mission/{one.name}" for one in latest_runs(rows)]
    except FleetError:
        return []
    bare = [name.partition("/")[2] for name in names if name.startswith("service/")]
    return [name for name in [*bare, *names] if name.startswith(incomplete)]
