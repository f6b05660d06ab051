"""Ask the demo's two services something, as a user of theirs would: HTTP over the web port, SQL over the database's."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg

_ROOT = Path(__file__).resolve().parent.parent


def published_ports() -> dict[str, int]:
    """The host port of each of the demo's services."""
    fleet = Path(sys.executable).parent / "fleet"
    status = json.loads(_said([str(fleet), "status", "--json"]))
    names = {one["resource"]: one["observed"]["name"] for one in status["services"]}
    ports = {resource: _said(["podman", "port", name]) for resource, name in names.items()}
    return {resource: int(said.splitlines()[0].rpartition(":")[2]) for resource, said in ports.items()}


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT).stdout


def main() -> None:
    """Print what both say; an exception when one does not answer."""
    ports = published_ports()
    address = f"http://127.0.0.1:{ports['service/web']}/cgi-bin/hello"
    with urllib.request.urlopen(address, timeout=10) as answer:
        print(f"  {address}: {', '.join(answer.read().decode().splitlines())}")
    password = (_ROOT / ".demo" / "pg_password").read_text()
    with psycopg.connect(
        host="127.0.0.1", port=ports["service/postgres"], user="postgres", password=password, connect_timeout=10
    ) as connection:
        row = connection.execute("SELECT version()").fetchone()
    version = str(row[0]).partition(" on ")[0] if row else "nothing"
    print(f"  127.0.0.1:{ports['service/postgres']}: {version}")


if __name__ == "__main__":
    main()
