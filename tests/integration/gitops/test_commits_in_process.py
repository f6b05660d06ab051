"""What becomes of commits, over a simulated engine: each way in which one can be wrong."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.options import Project
from reconciler.control.gitops.following import Following, FollowOptions
from reconciler.control.gitops.repository import Address, Repository, home_of
from reconciler.control.gitops.status import Board, Status
from reconciler.control.gitops.verification import Policy
from reconciler.control.reading import now_ms
from reconciler.projections.store import open_store
from tests.integration.gitops.git_servers import Author, git, make_key
from tests.integration.watch.watching import until
from tests.support.simulated import SimulatedRuntime


class Teller:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, level: str, what: str, **facts: Any) -> None:
        self.told.append(what)

    def looked(self, seen: Any) -> None:
        pass

    def reporter(self, seen: Any) -> Any:
        from reconciler.apply.report import Silent

        return Silent()


class Follower:
    """A branch that is followed in a thread of this process."""

    def __init__(self, author: Author, folder: Path, *, policy: Policy, path: str, **environ: str) -> None:
        address = Address.parse(str(author.bare))
        environ = {"PATH": "/usr/bin:/bin", "FLEET_DATA_DIR": str(folder / "data"), **environ}
        self.repository = Repository(address, "main", home_of(address, "main", path, folder / "data"), environ)
        self.teller = Teller()
        self.board = Board(Status(address.url, "main", path), clock=now_ms)
        file = self.repository.checkout / path
        project = Project(file=file, directory=file.parent, database=str(folder / "log.db"))
        self.log = folder / "log.db"
        self.following = Following(
            self.repository,
            project,
            self.teller,
            self.board,
            FollowOptions(0.2, policy),
            environ=environ,
            runtime=SimulatedRuntime(),
        )
        self.ready = threading.Event()
        self._thread = threading.Thread(target=self.following.run, kwargs={"ready": self.ready.set})

    def start(self) -> Follower:
        """Begin."""
        self._thread.start()
        return self

    def end(self) -> None:
        """Stop, and wait for it."""
        self.following.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def is_at(self, commit: str, state: str = "success") -> str:
        """The description, as soon as this commit is the newest and in this state."""

        def there() -> bool:
            status = self.board.status
            return (status.seen, status.state) == (commit, state)

        until(there, f"{commit}: {state}")
        return self.board.status.description

    def says(self, text: str) -> None:
        """Wait until it has said this."""
        until(lambda: any(text in one for one in self.teller.told), text)


ANYBODY = Policy()
Follow = Callable[..., Follower]


@pytest.fixture
def follow(author: Author, tmp_path: Path) -> Iterator[Follow]:
    """Begin to follow; all are ended at the end."""
    begun: list[Follower] = []

    def begin(policy: Policy = ANYBODY, path: str = "fleet.yaml", **environ: str) -> Follower:
        begun.append(Follower(author, tmp_path, policy=policy, path=path, **environ).start())
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


def fleet(interval: int) -> str:
    """A fleet without services, whose document differs with the number."""
    return f"version: 1\nname: followed\nreconcile: {{interval: {interval}s, debounce: 10ms}}\n"


def revisions(follower: Follower) -> list[str]:
    """Types of the recorded events about revisions."""
    with open_store(follower.log, mode="read") as store:
        return [one.event_type for one in store.events() if one.event_type.startswith("revision")]


def test_good_bad_and_good_again(author: Author, follow: Follow) -> None:
    first = author.push({"fleet.yaml": fleet(60)})
    follower = follow()
    assert follower.is_at(first) == "revision 1 is in force"
    assert follower.ready.wait(30)
    assert follower.following.interval_s == 60
    bad = author.push({"fleet.yaml": "version: 1\nname: [\n"})
    assert "rejected revision 2 of commit" in follower.is_at(bad, "failure")
    # Going back to what holds is no news for the fleet, and clears the fault.
    git(author.work, "reset", "-q", "--hard", first)
    author.push_head()
    assert follower.is_at(first) == "revision 1 is in force"
    git(author.work, "reset", "-q", "--hard", bad)
    author.push_head()
    assert "rejected revision 2 of commit" in follower.is_at(bad, "failure")
    good = author.push({"fleet.yaml": fleet(61)})
    assert follower.is_at(good) == "revision 3 is in force"
    assert revisions(follower) == ["revision_accepted", "revision_rejected", "revision_accepted"]


def test_a_rewritten_branch(author: Author, follow: Follow) -> None:
    first = author.push({"fleet.yaml": fleet(60)})
    follower = follow()
    follower.is_at(first)
    git(author.work, "checkout", "-q", "--orphan", "other")
    other = author.push({"fleet.yaml": fleet(61)})
    assert "--accept-rewrite" in follower.is_at(other, "failure")
    follower.end()
    again = follow(Policy(rewritten=other))
    assert again.is_at(other) == "revision 3 is in force"


def test_signatures(author: Author, follow: Follow, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    signers = tmp_path / "signers"
    signers.write_text(f"grace@example.com {(tmp_path / 'key.pub').read_text()}")
    unsigned = author.push({"fleet.yaml": fleet(60)})
    follower = follow(Policy(signed=True, allowed_signers=signers))
    assert "no signature that counts" in follower.is_at(unsigned, "failure")
    assert not follower.following.turning
    assert follower.following.turned_at
    assert follower.following.interval_s == 0.2
    author.sign_with(key)
    assert follower.is_at(author.push({"fleet.yaml": fleet(61)}))
    author.unsigned()
    assert "no signature" in follower.is_at(author.push({"fleet.yaml": fleet(62)}), "failure")


def test_signatures_of_gpg(
    author: Author, follow: Follow, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (gpg_home(tmp_path_factory.mktemp("g")) for _ in range(2))
    monkeypatch.setenv("GNUPGHOME", str(theirs))
    stranger = gpg_key("mallory@example.com")
    monkeypatch.setenv("GNUPGHOME", str(ours))
    key = gpg_key("grace@example.com")
    try:
        unsigned = author.push({"fleet.yaml": fleet(60)})
        follower = follow(Policy(signed=True), GNUPGHOME=str(ours))
        assert "no signature that counts" in follower.is_at(unsigned, "failure")
        author.sign_with(key, kind="openpgp")
        good = author.push({"fleet.yaml": fleet(61)})
        assert follower.is_at(good)
        # A key that this keyring does not hold.
        monkeypatch.setenv("GNUPGHOME", str(theirs))
        author.sign_with(stranger, kind="openpgp")
        assert "no signature that counts" in follower.is_at(author.push({"fleet.yaml": fleet(62)}), "failure")
        # A signature over other content.
        raw = git(author.work, "cat-file", "commit", good).replace("an edit", "another edit")
        forged = subprocess.run(
            ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
            cwd=author.work, input=raw + "\n", capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        git(author.work, "reset", "-q", "--hard", forged)
        author.push_head()
        assert follower.is_at(forged, "failure")
        assert revisions(follower)[-1] != "revision_accepted"
    finally:
        for home in (ours, theirs):
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False)


def gpg_home(folder: Path) -> Path:
    """An empty keyring."""
    folder.chmod(0o700)
    return folder


def gpg_key(address: str) -> str:
    """A new key without a passphrase in the keyring of GNUPGHOME; its fingerprint."""
    gpg = ["gpg", "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", address, "ed25519", "sign", "1d"], check=True)
    listed = subprocess.run([*gpg, "--with-colons", "--list-keys", address], check=True, capture_output=True, text=True)
    return next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr:"))


def test_the_way_to_the_file_may_not_be_a_link(author: Author, follow: Follow) -> None:
    first = author.push({"host/fleet.yaml": fleet(60)})
    follower = follow(path="host/fleet.yaml")
    follower.is_at(first)
    git(author.work, "mv", "host", "real")
    (author.work / "host").symlink_to("real")
    assert "a link may not" in follower.is_at(author.push({}), "failure")


def test_an_edited_checkout_is_put_back(author: Author, follow: Follow) -> None:
    first = author.push({"fleet.yaml": fleet(60)})
    follower = follow()
    follower.is_at(first)
    (follower.repository.checkout / "fleet.yaml").write_text(fleet(7))
    follower.says("somebody had changed it")
    until(lambda: follower.repository.head() == first, "put back")
    assert revisions(follower) == ["revision_accepted"]


def test_a_checkout_that_fails_is_tried_again(author: Author, follow: Follow) -> None:
    first = author.push({"fleet.yaml": fleet(60)})
    follower = follow()
    follower.is_at(first)
    index = follower.repository.checkout / ".git" / "objects" / "pack"
    lock = follower.repository.checkout / ".git" / "HEAD.lock"
    assert index.is_dir()
    lock.touch()
    second = author.push({"fleet.yaml": fleet(61)})
    follower.says("cannot be checked out")
    lock.unlink()
    follower.is_at(second)


def test_stopping_before_there_is_anything(author: Author, follow: Follow) -> None:
    follower = follow()
    follower.says("cannot be fetched")
    follower.following.hurry()
    follower.end()
    assert not follower.log.exists()


def test_it_begins_with_what_held_when_the_repository_is_away(author: Author, follow: Follow) -> None:
    first = author.push({"fleet.yaml": fleet(60)})
    follower = follow()
    follower.is_at(first)
    follower.end()
    away = author.bare.with_name("away.git")
    author.bare.rename(away)
    again = follow()
    assert again.ready.wait(30)
    again.says("cannot be fetched")
    away.rename(author.bare)
    again.says("answers again")
    assert again.is_at(first) == "revision 1 is in force"
