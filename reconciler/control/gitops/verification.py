"""Which commit may be taken up: one that follows what holds, and is signed where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.control.gitops.repository import GitFailed
from reconciler.errors import FleetError

if TYPE_CHECKING:
    from reconciler.control.gitops.repository import Repository


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of a commit.

    Attributes:
        signed: `git verify-commit` must find a good signature.
        allowed_signers: the file of SSH keys whose signature counts; None for those that gpg knows.
        rewritten: the one commit that need not follow what holds, since somebody says so.
    """

    signed: bool = False
    allowed_signers: Path | None = None
    rewritten: str = ""


class Unacceptable(FleetError):
    """The commit must not be taken up, whatever its file says."""

    code = "commit_rejected"


def accept(repository: Repository, commit: str, policy: Policy) -> None:
    """Pass a commit that may be taken up.

    Raises:
        Unacceptable: says why it may not.
    """
    good = repository.good()
    if good and good != commit and policy.rewritten != commit and not repository.descends(commit, good):
        raise Unacceptable(
            f"commit {commit[:12]} does not follow {good[:12]}, which holds: the branch was rewritten",
            hint=f"if that was meant, start again with --accept-rewrite {commit}",
        )
    if policy.signed:
        _signed(repository, commit, policy)


def _signed(repository: Repository, commit: str, policy: Policy) -> None:
    signers: tuple[str, ...] = ()
    if policy.allowed_signers is not None:
        # Where a list of keys is given, a signature of another kind has nobody to vouch for it.
        signers = ("-c", f"gpg.ssh.allowedSignersFile={policy.allowed_signers}", "-c", "gpg.program=false")
        signers += ("-c", "gpg.x509.program=false")
    try:
        repository.git(*signers, "verify-commit", commit)
    except GitFailed as error:
        why = str(error).partition(": ")[2]
        raise Unacceptable(f"commit {commit[:12]} has no signature that counts: {why}") from None
