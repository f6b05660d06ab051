"""What a run on a build server leaves behind, from values to text."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reconciler.apply.model import ApplyResult, Failure
from reconciler.control.ci.outcome import Outcome
from reconciler.control.ci.server import BuildServer, build_server
from reconciler.control.ci.writing import code_quality, junit, summary, workflow_commands
from reconciler.errors import ConfirmationMissing, Problem, SpecInvalid
from reconciler.plan.diff import diff
from reconciler.projections.projected import Projected
from tests.support.fleets import fleet


def outcome(status: str = "failed") -> Outcome:
    found = Outcome("shop", plan=diff(fleet({"services": {"web": {"image": "web:1"}}}), Projected()))
    failure = Failure("create service/web/1", "service/web/1", "no such image, it says: 100%\nsecond line")
    skipped = Failure("create service/api/1", "service/api", "because of web", skipped=True)
    found.result = ApplyResult("apply_1", status, 1, 1, 1, 2.5, (failure, skipped))  # type: ignore[arg-type]
    found.places = {"service/web": ("fleet.yaml", 7, 3)}
    found.on_problems(["one"])
    found.on_gate("db", "healthy", "wait")
    found.on_gate("db", "healthy", "open", "", 1.25)
    found.on_gate("web", "started", "failed", "it ended | at once", 0.5)
    found.on_gate("late", "healthy", "wait")
    return found


@pytest.mark.parametrize(
    ("environ", "server"),
    [
        ({}, BuildServer("git")),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTOR": "ada",
                "GITHUB_SHA": "c1",
                "GITHUB_REF_NAME": "main",
                "GITHUB_SERVER_URL": "https://forge",
                "GITHUB_REPOSITORY": "a/b",
                "GITHUB_RUN_ID": "7",
                "GITHUB_WORKSPACE": "/w",
                "GITHUB_STEP_SUMMARY": "/s",
            },
            BuildServer("github", "ada", "c1", "main", "https://forge/a/b/actions/runs/7", "/w", "/s"),
        ),
        (
            {"GITHUB_ACTIONS": "true", "GITHUB_HEAD_REF": "feature", "GITHUB_REF_NAME": "7/merge"},
            BuildServer("github", branch="feature"),
        ),
        (
            {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ada", "CI_COMMIT_SHA": "c1", "CI_COMMIT_REF_NAME": "main"},
            BuildServer("gitlab", "ada", "c1", "main"),
        ),
    ],
)
def test_build_servers(environ: dict[str, str], server: BuildServer) -> None:
    assert build_server(environ) == server


def test_annotations_stand_at_the_line_and_cannot_be_broken_out_of() -> None:
    lines = list(workflow_commands(outcome(), ""))
    assert lines == [
        "::error file=fleet.yaml,line=7,col=3::service/web/1: no such image, it says: 100%25%0Asecond line",
        "::error file=fleet.yaml,line=7,col=3::service/web: did not become started: it ended | at once",
    ]
    wrong = Outcome("shop", error=SpecInvalid([Problem("/w/a,b:c.yaml", 2, 0, "services.web", "bad", "try x")]))
    wrong.warnings = [Problem("fleet.yaml", 0, 0, "", "odd")]
    assert list(workflow_commands(wrong, "/w")) == [
        "::error file=a%2Cb%3Ac.yaml,line=2::services.web: bad (try x)",
        "::warning file=fleet.yaml::odd",
    ]
    refused = Outcome("shop", error=ConfirmationMissing("too much", hint="--yes"))
    assert list(workflow_commands(refused, "/w")) == ["::error::too much (--yes)"]


def test_code_quality() -> None:
    first, second = json.loads(code_quality(outcome(), str(Path.cwd())))
    assert first["location"] == {"path": "fleet.yaml", "lines": {"begin": 7}}
    assert (first["severity"], len(first["fingerprint"])) == ("major", 64)
    assert first["fingerprint"] != second["fingerprint"]
    assert json.loads(code_quality(Outcome("shop", error=ConfirmationMissing("too much")), "")) == []


def test_the_summary() -> None:
    told = summary(outcome())
    assert told.startswith("### Plan for ")
    assert "**✗ failed** in 2.5 s: 1 done, 1 failed, 1 skipped" in told
    assert "| fleet.yaml:7 | service/web: did not become started: it ended \\| at once |" in told
    assert "| service/db | healthy | 1.2 s | ready |" in told
    assert "| service/late | healthy | 0.0 s | not ready |" in told
    assert "✗ confirmation missing" in summary(Outcome("shop", error=ConfirmationMissing("too much")))
    assert summary(Outcome("shop")).endswith("**✓ nothing to do**\n")


def test_junit() -> None:
    suite = ElementTree.fromstring(junit(outcome()))
    cases = {case.get("name"): case.find("failure") for case in suite}
    assert list(cases) == [
        "service/db becomes healthy",
        "service/web becomes started",
        "service/late becomes healthy",
        "apply",
    ]
    assert cases["service/db becomes healthy"] is None
    assert (suite.get("tests"), suite.get("failures")) == ("4", "3")
    fine = Outcome("shop")
    fine.on_gate("web", "started", "failed", "a bell: \x07 <&>")
    text = junit(fine)
    assert ElementTree.fromstring(text).get("failures") == "1"
    assert "\x07" not in text
    cut_short = outcome("interrupted")
    cut_short.result = ApplyResult("apply_1", "interrupted", 0, 0, 0, 1.0)
    cut_short.waits.clear()
    assert 'message="interrupted"' in junit(cut_short)
