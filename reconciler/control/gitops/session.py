"""A session about a checkout: whatever is recorded bears the commit that is checked out, its author and the branch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.control.gitops.repository import Commit
from reconciler.control.provenance import Origin, actor
from reconciler.control.session import ProjectValues, Session
from reconciler.events.envelope import Cause

if TYPE_CHECKING:
    from reconciler.control.gitops.repository import Repository
    from reconciler.runtime.model import ContainerRuntime


class GitSession(Session):
    """A session that is told which commit it is about.

    Attributes:
        commit: the one whose name is put on what is recorded.
    """

    def __init__(
        self,
        project: ProjectValues,
        repository: Repository,
        *,
        environ: Mapping[str, str],
        runtime: ContainerRuntime | None = None,
    ) -> None:
        super().__init__(project, source="git", runtime=runtime, environ=environ)
        self._repository = repository
        self.commit = Commit("", "", "")

    def at(self, commit: Commit) -> None:
        """From now on it is about this commit."""
        self.commit = commit
        self.renew_cause()

    @cached_property
    def cause(self) -> Cause:
        """In the name of the commit's author."""
        where = f"gitops {self._repository.branch} {self._repository.address.url}"
        who = self.commit.author or actor(self.environ)
        return Cause(actor=who, source="git", commit=self.commit.id, user_agent=where)

    def origin(self) -> Origin:
        """Author and branch."""
        return Origin(self.commit.author, self._repository.branch)
