"""Which build server this is, and what it says about who, which commit and which branch. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BuildServer:
    """What a build server says about its run; empty where it says nothing.

    Attributes:
        kind: `git` for one that is not known and leaves no more than a checkout.
        commit, branch: of the checkout; for a pull request the branch that is to be merged.
        url: of the run, for people.
        root: the checkout's folder, that places in files are told from.
        summary: the file that takes Markdown for the run's page.
    """

    kind: Literal["github", "gitlab", "git"]
    actor: str = ""
    commit: str = ""
    branch: str = ""
    url: str = ""
    root: str = ""
    summary: str = ""


def build_server(environ: Mapping[str, str]) -> BuildServer:
    """The build server that this environment is of."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return _github(environ)
    if environ.get("GITLAB_CI") == "true":
        return _gitlab(environ)
    return BuildServer("git")


def _github(environ: Mapping[str, str]) -> BuildServer:
    run = environ.get("GITHUB_RUN_ID", "")
    place = f"{environ.get('GITHUB_SERVER_URL', '')}/{environ.get('GITHUB_REPOSITORY', '')}"
    return BuildServer(
        "github",
        actor=environ.get("GITHUB_ACTOR", ""),
        commit=environ.get("GITHUB_SHA", ""),
        branch=environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF_NAME", ""),
        url=f"{place}/actions/runs/{run}" if run else "",
        root=environ.get("GITHUB_WORKSPACE", ""),
        summary=environ.get("GITHUB_STEP_SUMMARY", ""),
    )


def _gitlab(environ: Mapping[str, str]) -> BuildServer:
    return BuildServer(
        "gitlab",
        actor=environ.get("GITLAB_USER_LOGIN", ""),
        commit=environ.get("CI_COMMIT_SHA", ""),
        branch=environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or environ.get("CI_COMMIT_REF_NAME", ""),
        url=environ.get("CI_JOB_URL", ""),
        root=environ.get("CI_PROJECT_DIR", ""),
    )
