"""A repository, somebody who pushes to it, and real servers in front of it: HTTP through git's own, and SSH."""

from __future__ import annotations

import base64
import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "robot", "p4ss-w0rd-of-the-robot"
_NOBODY_ELSE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **_NOBODY_ELSE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


class Author:
    """A person with a clone."""

    def __init__(self, bare: Path, work: Path, name: str = "Grace Hopper") -> None:
        self.bare = bare
        self.work = work
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
        git(bare, "config", "http.receivepack", "false")
        subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
        for key, value in (("user.name", name), ("user.email", "grace@example.com"), ("commit.gpgsign", "false")):
            git(work, "config", key, value)

    def sign_with(self, key: Path | str, *, kind: str = "ssh") -> None:
        """Sign with this key from now on: the file of an SSH key, or a fingerprint that gpg knows."""
        for name, value in (("gpg.format", kind), ("user.signingkey", str(key)), ("commit.gpgsign", "true")):
            git(self.work, "config", name, value)

    def unsigned(self) -> None:
        """Sign no more."""
        git(self.work, "config", "commit.gpgsign", "false")

    def push(self, files: dict[str, str | None], message: str = "an edit") -> str:
        """Write, commit and push; the commit. A file without content is removed."""
        for name, text in files.items():
            path = self.work / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        git(self.work, "add", "--all")
        git(self.work, "commit", "-q", "--allow-empty", "-m", message)
        return self.push_head()

    def push_head(self) -> str:
        """Make the branch what is checked out, by force."""
        git(self.work, "push", "-q", "--force", str(self.bare), "HEAD:refs/heads/main")
        return git(self.work, "rev-parse", "HEAD")


class HttpServer:
    """`git http-backend` behind basic authentication. A context manager."""

    def __init__(self, root: Path) -> None:
        class Handler(_Backend):
            pass

        Handler.root = root
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> HttpServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, *, password: str = PASSWORD) -> str:
        """Its address, with what opens it."""
        return f"http://{USER}:{password}@127.0.0.1:{self.port}/bare.git"


class _Backend(BaseHTTPRequestHandler):
    root: Path

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="fleet"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": USER,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        body = self.rfile.read(length)
        done = subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def make_key(path: Path) -> Path:
    """An SSH key without a passphrase; its public half lies beside it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "grace@example.com", "-f", str(path)], check=True
    )
    return path


class SshServer:
    """A private sshd that lets in one key. A context manager."""

    def __init__(self, folder: Path, repository: Path) -> None:
        folder.mkdir(mode=0o700)
        self.key = make_key(folder / "client")
        host = make_key(folder / "host")
        allowed = folder / "authorized_keys"
        allowed.write_text((folder / "client.pub").read_text())
        allowed.chmod(0o600)
        self.port = free_port()
        self._repository = repository
        known = folder / "known_hosts"
        public = " ".join((folder / "host.pub").read_text().split()[:2])
        known.write_text(f"[127.0.0.1]:{self.port} {public}\n")
        self.command = f"ssh -oBatchMode=yes -oIdentitiesOnly=yes -i {self.key} -oUserKnownHostsFile={known}"
        config = folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {allowed}\n"
            f"PidFile {folder / 'pid'}\nUsePAM no\nPasswordAuthentication no\nStrictModes no\nPermitRootLogin yes\n"
        )
        # sshd wants this folder and to be called by its whole path.
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None, "openssh-server is not installed"
        self._log = folder / "log"
        self._process = subprocess.Popen([program, "-D", "-f", str(config), "-E", str(self._log)])

    def __enter__(self) -> SshServer:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < end, self._log.read_text()
                time.sleep(0.05)

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def url(self) -> str:
        """The repository's address."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self._repository}"
