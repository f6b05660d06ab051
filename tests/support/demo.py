"""The repository's own demo in a copy of the checkout, with names, ports and data of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.installed import Installed

_PARTS = ("Makefile", "fleet.yaml", "demo", "scripts", "schemas", "reconciler/paths.py")
_SECONDS = 300


class Demo(Installed):
    """`make demo` and what comes after it."""

    def __init__(self, checkout: Path, directory: Path, data: Path, *, name: str, ports: tuple[int, int]) -> None:
        directory.mkdir()
        for part in _PARTS:
            source, target = checkout / part, directory / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        environment = {
            "FLEET_DATA_DIR": str(data),
            "FLEET_ENV": "test",
            "FLEET_ACTOR": "ada",
            "FLEET_DATABASE_URL": "",
            # What a person has in a shell: Fleet finds the engine, or starts one.
            "FLEET_PODMAN_SOCKET": "",
            "VENV": sys.prefix,
            "NO_COLOR": "1",
        }
        super().__init__(directory, environment)
        self.web_port, self.pg_port = ports
        self.write(
            f"name: {name}\n"
            "variables:\n"
            f"  web_port: {{type: integer, default: {self.web_port}}}\n"
            f"  pg_port: {{type: integer, default: {self.pg_port}}}\n"
            f"volumes: {{{name}: {{}}}}\n"
            "services:\n"
            "  postgres:\n"
            f"    container_name: {name}-pg\n"
            f"    volumes: ['{name}:/var/lib/postgresql/data']\n",
            "fleet.test.yaml",
        )

    def make(self, target: str) -> str:
        """A target of the Makefile; the virtual environment is the one that these tests run in."""
        return self.shell(f"make --no-print-directory --old-file=setup {target}")

    def shell(self, command: str) -> str:
        """A command line as a person would type it; what it prints."""
        import os

        environment = {name: value for name, value in {**os.environ, **self.environment}.items() if value}
        answer = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert answer.returncode == 0, f"{command} ended with {answer.returncode}\n{answer.stdout}"
        return answer.stdout


def without_what_varies(text: str, name: str = "") -> str:
    """Output with times, ids and durations made equal, and the fleet called as in the README."""
    if name:
        text = text.replace(name, "demo").replace("fleet.test.yaml, ", "")
    for pattern, instead in (
        (r"\x1b\[[0-9;]*m", ""),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "DATE TIME"),
        (r"\b\d\d-\d\d \d\d:\d\d:\d\d\b", "DATE TIME"),
        (r"\b(v1:|sha256:)?(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b", "ID"),
        (r"-[0-9a-f]{8}\b", "-ID"),
        (r"\b\d+(\.\d+)? ?(ms|s|m\d*s?)\b", "TIME"),
        (r"\b(ada|root)\b", "WHO"),
        (r"[ \t]+$", ""),
        (r" {2,}", "  "),
    ):
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text.strip()
