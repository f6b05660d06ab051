"""The repository that is followed: where it is, and a checkout of it that is Fleet's own.

Git is run with an argument list in an environment of its own: no prompts, no hooks, no configuration but what is given
here. A password in the address is taken out of it at once and reaches git through its environment, never its arguments.
"""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from reconciler.errors import FleetError, LeaseHeld, ToolMissing

FETCHED = "refs/fleet/fetched"
GOOD = "refs/fleet/good"
_FETCH_SECONDS = 300.0
_QUICK_SECONDS = 60.0
_ALWAYS_SAID = ("Please make sure you have", "and the repository exists", "hint:", "Warning: Permanently added")
_LONGEST_MESSAGE = 500
_PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GNUPGHOME"),
    *("GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.autocrlf": "false",
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    **{f"protocol.{name}.allow": "always" for name in ("https", "http", "ssh", "git", "file")},
}


@dataclass(frozen=True, slots=True)
class Address:
    """A repository's address, and what opens it.

    Attributes:
        url: without a password; may be shown, logged and passed to programs.
        header: what an HTTP server is told to let us in; empty for none.
        secrets: texts that may be shown nowhere.
    """

    url: str
    header: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, text: str) -> Address:
        """An address as git takes it: a URL, `user@host:path` or a folder.

        Raises:
            FleetError: it is none.
        """
        if not text or text.startswith("-") or any(ord(one) < 32 for one in text):
            raise FleetError(
                "--repo is no address of a repository", hint="https://…, ssh://…, user@host:path or a folder"
            )
        if "://" not in text:
            return cls(text if ":" in text.partition("/")[0] else str(Path(text).expanduser().resolve()))
        parts = urlsplit(text)
        userinfo, _, host = parts.netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        secrets = tuple(one for one in {password, unquote(password)} if one)
        if parts.scheme not in ("http", "https"):
            place = f"{user}@{host}" if user else host
            return cls(urlunsplit(parts._replace(netloc=place)), secrets=secrets)
        url = urlunsplit(parts._replace(netloc=host))
        if not userinfo:
            return cls(url)
        # A token often stands in the place of the user, so neither is shown.
        encoded = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        secrets += (encoded, *(() if password else (user, unquote(user))))
        return cls(url, f"Authorization: Basic {encoded}", secrets)

    def masked(self, text: str) -> str:
        """The text without anything that opens the repository."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that is followed."""

    id: str
    author: str
    subject: str


class GitFailed(FleetError):
    """Git refused; the message is git's own, without secrets."""

    code = "git_failed"


def home_of(address: Address, branch: str, path: str, data: Path) -> Path:
    """The folder of one repository, branch and path. The same at every start: the mark of ownership hangs on it."""
    name = hashlib.sha256("\n".join((address.url, branch, path)).encode()).hexdigest()[:12]
    return data / "gitops" / name


class Repository:
    """A checkout below `home`. Fetching may run in one thread while another uses the checkout.

    Raises:
        FleetError: the branch has no possible name.
    """

    def __init__(self, address: Address, branch: str, home: Path, environ: Mapping[str, str]) -> None:
        self.address = address
        self.branch = branch
        self.home = home
        self.checkout = home / "checkout"
        self._environ = {name: environ[name] for name in _PASSED_ON if name in environ}
        self._environ |= {
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "SSH_ASKPASS_REQUIRE": "never",
        }
        self._environ |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_OPTIONAL_LOCKS": "0"}
        self._environ.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
        settings = dict(_SETTINGS)
        if address.header:
            place = urlsplit(address.url)
            settings[f"http.{place.scheme}://{place.netloc}/.extraHeader"] = address.header
        self._environ["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (name, value) in enumerate(settings.items()):
            self._environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        self._running: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()

    def prepare(self) -> None:
        """Make the folder, which nobody else may read, and an empty repository in it.

        Raises:
            FleetError: the branch has no possible name.
            ToolMissing: there is no git.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self.checkout.mkdir(mode=0o700, exist_ok=True)
        if self.try_git("check-ref-format", f"refs/heads/{self.branch}") is None or self.branch.startswith("-"):
            raise FleetError(f"{self.branch!r} is no name of a branch")
        if not (self.checkout / ".git").is_dir():
            self.git("init", "--quiet", "--template=")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other process follows this.

        Raises:
            LeaseHeld: another one does.
        """
        import fcntl

        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LeaseHeld(f"another fleet gitops follows {self.branch} of {self.address.url}") from None
            yield

    def fetch(self) -> str:
        """The branch's newest commit, fetched.

        Raises:
            GitFailed: the repository cannot be reached, or has no such branch.
        """
        refs = f"+refs/heads/{self.branch}:{FETCHED}"
        options = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        self.git("fetch", *options, "--", self.address.url, refs, seconds=_FETCH_SECONDS)
        return self.git("rev-parse", "--verify", FETCHED)

    def good(self) -> str:
        """The last commit whose file was right; empty before the first."""
        return self.try_git("rev-parse", "--verify", "--quiet", GOOD) or ""

    def keep(self, commit: str) -> None:
        """Remember that the file of this commit is right."""
        self.git("update-ref", GOOD, commit)

    def head(self) -> str:
        """The commit that is checked out; empty for none, and where a file is not what that commit says."""
        if self.try_git("status", "--porcelain", "--untracked-files=no") != "":
            return ""
        return self.try_git("rev-parse", "--verify", "--quiet", "HEAD") or ""

    def take(self, commit: str) -> None:
        """Check this commit out. Files that belong to no commit are left alone."""
        # A process that was killed leaves its lock; nobody else works here.
        with suppress(FileNotFoundError):
            (self.checkout / ".git" / "index.lock").unlink()
        self.git("checkout", "--quiet", "--force", "--detach", commit, "--")

    def descends(self, commit: str, from_: str) -> bool:
        """Whether one commit follows another."""
        return self.try_git("merge-base", "--is-ancestor", from_, commit) is not None

    def about(self, commit: str) -> Commit:
        """Who wrote a commit, and what it says it is."""
        author, _, subject = self.git("log", "-1", "--no-show-signature", "--format=%an%x00%s", commit).partition("\0")
        return Commit(commit, author, subject)

    def stop(self) -> None:
        """End a fetch that is under way."""
        self._stopped.set()
        running = self._running
        if running is not None:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGTERM)

    def try_git(self, *arguments: str) -> str | None:
        """What git prints; None when it refuses."""
        try:
            return self.git(*arguments)
        except GitFailed:
            return None

    def git(self, *arguments: str, seconds: float = _QUICK_SECONDS) -> str:
        """What git prints.

        Raises:
            GitFailed: it refuses, or takes longer than this.
            ToolMissing: there is no git.
        """
        command = ("git", "-C", str(self.checkout), *arguments)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=self._environ,
                process_group=0,
            )
        except FileNotFoundError:
            raise ToolMissing("git is not installed", hint="install git (Debian: apt-get install git)") from None
        fetching = arguments[0] == "fetch"
        with process:
            if fetching:
                self._running = process
                if self._stopped.is_set():
                    self.stop()
            try:
                out, problem = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise GitFailed(f"git {arguments[0]} took longer than {seconds:.0f} s") from None
            finally:
                if fetching:
                    self._running = None
        if process.returncode != 0:
            raise GitFailed(f"git {arguments[0]}: {self._why(problem) or f'exit code {process.returncode}'}")
        return out.strip()

    def _why(self, problem: str) -> str:
        """What git says is wrong, on one line and without what it always says."""
        lines = [one.strip() for one in self.address.masked(problem).splitlines() if one.strip()]
        return "; ".join(one for one in lines if not one.startswith(_ALWAYS_SAID))[:_LONGEST_MESSAGE]
