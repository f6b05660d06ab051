"""`fleet missions`, `fleet sorties`, and missions in `fleet status`, `fleet why` and `fleet apply --wait`."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from reconciler.control.desk import sorties
from reconciler.control.worker.artifacts import log_file, write_log
from reconciler.ops.work_view import mission_view, sortie_view
from tests.integration.apply.yard import Yard
from tests.support.terminal import Terminal

from .conftest import MISSION, Hands


@pytest.fixture
def work(yard: Yard, hands: Callable[[], Hands]) -> Hands:
    """The mission is under way."""
    yard.must_apply()
    return hands()


def finish(work: Hands, who: str = "") -> str:
    who = who or work.hire()
    work.do(who, summary="done well")
    work.do(who)
    return who


def test_before_anything_was_applied(terminal: Terminal) -> None:
    assert terminal.fleet("missions", "list").out == "no missions\n"
    assert terminal.fleet("missions", "list", "--json").json == []
    assert terminal.fleet("sorties", "list").out == "no open sorties\n"
    for words in (["missions", "show", "login"], ["missions", "logs", "login"], ["sorties", "show", "login/build"]):
        answer = terminal.fleet(*words)
        assert answer.code == 1
        assert "nothing has been applied yet" in answer.err


def test_a_graph_of_what_never_ran(terminal: Terminal) -> None:
    drawn = terminal.fleet("missions", "graph", "login").out
    assert drawn.splitlines() == [
        " 1 · design  pending",
        " 2 · build   pending ← design",
        " 3 · mop     pending ← build [when failure]",
    ]
    unknown = terminal.fleet("missions", "graph", "logon")
    assert (unknown.code, "known: login" in unknown.err) == (1, True)


def test_a_graph_of_the_last_run(terminal: Terminal, work: Hands) -> None:
    work.do(work.hire())
    assert terminal.fleet("missions", "graph", "login").out.splitlines()[0] == " 1 ✔ design  completed"
    assert terminal.fleet("missions", "graph", "login", "--mermaid").out.startswith("flowchart TD\n")
    edges = terminal.fleet("missions", "graph", "login", "--json").json
    assert {one["name"]: (one["depends_on"], one["when"]) for one in edges} == {
        "design": ([], "success"),
        "build": (["design"], "success"),
        "mop": (["build"], "failure"),
    }
    assert terminal.fleet("missions", "graph", "gone").code == 1


def test_a_list_has_the_last_runs(yard: Yard, terminal: Terminal, work: Hands) -> None:
    finish(work)
    assert terminal.fleet("missions", "run", "login").out == "mission/login (run 2) began: 3 sorties, 0 done\n"
    lines = terminal.fleet("missions", "list").out.splitlines()
    assert lines[0].split() == ["MISSION", "RUN", "STATUS", "SORTIES", "SINCE"]
    assert lines[1].split()[:6] == ["▶", "login", "2", "in", "progress", "0/3"]
    assert len(lines) == 2
    runs = terminal.fleet("missions", "list", "--all", "--json").json
    assert [(one["run"], one["status"]) for one in runs] == [(2, "in_progress"), (1, "completed")]
    assert runs[0]["started_at"].endswith("Z")
    only = terminal.fleet("missions", "list", "--all", "--status", "completed", "--json").json
    assert [one["run"] for one in only] == [1]
    again = terminal.fleet("missions", "run", "login")
    assert (again.code, "is in progress already" in again.err) == (1, True)


def test_show(terminal: Terminal, work: Hands) -> None:
    terminal.fleet("sorties", "list")
    work.do(work.hire(), summary="well made")
    shown = terminal.fleet("missions", "show", "login").out
    assert "mission/login, run 1: Add login" in shown
    assert "well made" in shown
    document = terminal.fleet("missions", "show", "mission/login", "--json").json
    assert (document["completed_sorties"], document["total_sorties"]) == (1, 3)
    assert [one["resource"] for one in document["definitions"]][0] == "sortie/login/design"
    near = terminal.fleet("missions", "show", "logn")
    assert (near.code, "did you mean login?" in near.err) == (1, True)


def test_retry_goes_on_from_what_failed(terminal: Terminal, work: Hands) -> None:
    who = work.hire()
    work.do(who)
    work.fail(who)
    threading.Event().wait(0.002)
    work.fail(who)
    work.do(who)
    assert work.status() == "failed"
    said = terminal.fleet("missions", "retry", "login")
    assert (said.code, said.out) == (0, "mission/login (run 1) goes on: 3 sorties, 2 done\n")
    assert work.status("login/build") == "pending"
    assert work.status("login/design") == "completed"
    again = terminal.fleet("missions", "retry", "login")
    assert (again.code, "only a failed one" in again.err) == (1, True)


def test_cancel(terminal: Terminal, work: Hands) -> None:
    document = terminal.fleet("missions", "cancel", "login", "--why", "the plan changed", "--json").json
    assert (document["status"], document["reason"]) == ("cancelled", "the plan changed")
    assert terminal.fleet("sorties", "list").out == "no open sorties\n"
    assert "no sorties" not in terminal.fleet("sorties", "list", "--all").out


def test_an_unknown_mission_cannot_be_run(terminal: Terminal, work: Hands) -> None:
    answer = terminal.fleet("missions", "run", "logout")
    assert (answer.code, "known: login" in answer.err) == (1, True)


def test_running_it_and_waiting(yard: Yard, terminal: Terminal, work: Hands) -> None:
    who = finish(work)
    hand = threading.Thread(target=_work_on, args=(work, who))
    hand.start()
    answer = terminal.fleet("missions", "run", "login", "--wait", "--timeout", "60s", "--json")
    hand.join()
    assert answer.code == 0, answer.err
    lines = answer.json_lines
    assert (lines[0]["event"], lines[-1]["event"], lines[-1]["status"]) == ("mission", "waited", "completed")


def _work_on(work: Hands, who: str) -> None:
    """Do what the next run brings, as it comes."""
    done = 0
    for event in work.store.follow(stop=lambda: False):
        if (
            event.event_type == "mission_started"
            and event.sequence_number > 1
            and mission_view(work.store.rows(), "login").run == 2
        ):
            break
    while done < 2:
        work.do(who)
        done += 1


def test_apply_waits_only_where_it_is_asked_to(terminal: Terminal, work: Hands) -> None:
    assert "Nothing to do" in terminal.fleet("apply").out
    late = terminal.fleet("apply", "--wait", "--timeout", "1ms")
    assert late.code == 124
    assert "Out of time" in late.err
    assert "pending     sortie/login/design" in late.out
    finish(work)
    done = terminal.fleet("apply", "--wait")
    assert (done.code, done.out.splitlines()[-1]) == (0, "mission/login completed, 2 of 2 sorties done")


def test_apply_ends_as_its_missions_do(terminal: Terminal, work: Hands) -> None:
    work.desk.run(sorties.cancel(sortie_view(work.store.rows(), "login/mop").id, by="ada"))
    who = work.hire()
    work.do(who)
    work.fail(who)
    threading.Event().wait(0.002)
    work.fail(who)
    answer = terminal.fleet("apply", "--wait")
    assert answer.code == 1
    assert "mission/login failed, 1 of 2 sorties done: 1 of 3 sorties failed: build" in answer.err
    assert "fleet missions retry login" in answer.err
    assert terminal.fleet("apply").code == 0
    aside = terminal.fleet("apply", "--wait", "--exclude", "mission/login")
    assert aside.code == 0
    terminal.fleet("missions", "retry", "login")
    terminal.fleet("missions", "cancel", "login")
    assert terminal.fleet("apply", "--wait").code == 0, "somebody called it off, and that is that"


def test_logs_tell_the_story_by_names(terminal: Terminal, work: Hands) -> None:
    finish(work)
    told = terminal.fleet("missions", "logs", "login", "--tail", "0").out
    assert "login was made: Add login" in told
    assert "completed design" in told
    assert "sortie_0" not in told
    assert terminal.fleet("missions", "logs", "login", "--tail", "1").out.count("\n") == 1
    last = terminal.fleet("missions", "logs", "login", "--json", "--follow").json_lines[-1]
    assert (last["event_type"], "login was completed" in last["text"]) == ("mission_completed", True)


def test_logs_are_followed_to_the_end(terminal: Terminal, work: Hands) -> None:
    hand = threading.Thread(target=finish, args=(work,))
    hand.start()
    told = terminal.fleet("missions", "logs", "login", "--follow").out
    hand.join()
    assert told.splitlines()[-1].endswith("2 sorties done")


def test_lists_of_sorties(terminal: Terminal, work: Hands) -> None:
    who = work.hire("ada")
    work.claim(who)
    found = terminal.fleet("sorties", "list", "--json").json
    assert [(one["resource"], one["status"]) for one in found] == [
        ("sortie/login/design", "in_progress"),
        ("sortie/login/build", "pending"),
        ("sortie/login/mop", "pending"),
    ]
    assert found[1]["waits_for"].startswith("it comes after")
    assert found[1]["doing"] == "it comes after design"
    for words in (
        ["--assigned-to", who],
        ["--status", "in_progress"],
        ["--mission", "login", "--status", "in_progress"],
    ):
        assert [one["id"] for one in terminal.fleet("sorties", "list", *words, "--json").json] == [found[0]["id"]]
    assert terminal.fleet("sorties", "list", "--priority", "critical").out == "no open sorties\n"
    assert "▶  login/design  in progress" in terminal.fleet("sorties", "list").out


def test_one_sortie(terminal: Terminal, work: Hands, yard: Yard) -> None:
    who = work.hire()
    done = work.do(who, summary="well made")
    shown = terminal.fleet("sorties", "show", "sortie/login/design").out
    assert "completed: well made" in shown
    assert "run:           make design" in shown
    assert terminal.fleet("sorties", "show", done.sortie.id, "--json").json["result"]["summary"] == "well made"
    near = terminal.fleet("sorties", "show", "login/desing")
    assert (near.code, "did you mean design?" in near.err) == (1, True)
    assert "known: sortie/login/design" in terminal.fleet("sorties", "show", "xyz").err

    nothing = terminal.fleet("sorties", "logs", "login/build")
    assert (nothing.code, "never ran" in nothing.err) == (1, True)
    assert "has left no output" in terminal.fleet("sorties", "logs", "login/design").err
    write_log(log_file(yard.database.parent, done.sortie.id, 1), b"made it\n")
    assert terminal.fleet("sorties", "logs", "login/design").out == "made it\n"


def test_help_for_those_that_are_stuck(terminal: Terminal, work: Hands) -> None:
    who = work.hire()
    assert terminal.fleet("sorties", "assign", "login/design", who).out == "sortie/login/design is assigned\n"
    claimed = work.claim(who)
    work.desk.run(sorties.block(claimed.sortie.id, who, reason="no token", blocker_type="external"))
    assert "no token" in terminal.fleet("sorties", "list").out
    said = terminal.fleet("sorties", "unblock", "login/design", "--why", "it came", "--json").json
    assert said["status"] == "in_progress"
    assert (
        terminal.fleet("sorties", "cancel", "login/design", "--why", "no").out == "sortie/login/design is cancelled\n"
    )
    assert work.status() == "completed", "nothing is left that could run"
    late = terminal.fleet("sorties", "retry", "login/design")
    assert (late.code, "is completed" in late.err) == (1, True)


def test_a_cancelled_sortie_is_opened_again_while_its_mission_runs(terminal: Terminal, work: Hands) -> None:
    work.hire()
    terminal.fleet("sorties", "cancel", "login/mop")
    assert terminal.fleet("sorties", "retry", "login/mop").out == "sortie/login/mop is pending\n"


REVIEWED = "missions: {login: {sorties: {design: {run: make, review: code}}}}"


@pytest.fixture
def reviewed(yard: Yard, hands: Callable[[], Hands]) -> Hands:
    """A sortie waits for a person's review."""
    yard.write("", more=REVIEWED)
    yard.must_apply()
    made = hands()
    made.do(made.hire())
    return made


def test_a_person_reviews(terminal: Terminal, reviewed: Hands) -> None:
    assert "waits for a person to review it" in terminal.fleet("sorties", "list").out
    sent = terminal.fleet("sorties", "review", "login/design", "needs_changes", "--feedback", "name the cookie")
    assert sent.out == "sortie/login/design is in progress: sent back by its review: name the cookie\n"
    (who,) = [key for key, _ in reviewed.store.rows().scan("specialists")]
    reviewed.do(who)
    assert terminal.fleet("sorties", "review", "login/design", "approved").code == 0
    assert reviewed.status() == "completed"
    assert terminal.fleet("sorties", "review", "login/design", "fine").code == 1


def test_a_review_that_was_begun_is_concluded(terminal: Terminal, reviewed: Hands) -> None:
    sortie = sortie_view(reviewed.store.rows(), "login/design")
    reviewed.desk.run(sorties.review(sortie.id, "ada"))
    assert terminal.fleet("sorties", "review", "login/design", "rejected", "--feedback", "no").code == 0
    assert reviewed.status() == "failed"


def test_status_shows_missions(terminal: Terminal, work: Hands) -> None:
    text = terminal.fleet("status").out
    assert "▶  login" in text
    assert "no services" not in text
    finish(work)
    assert terminal.fleet("status", "--json").json["missions"][0]["status"] == "completed"
    before = terminal.fleet("status", "--json", "--at", "9").json["missions"]
    assert before == [] or before[0]["status"] != "completed"


@pytest.mark.parametrize("word", ["mission/login", "login"])
def test_why_a_mission(terminal: Terminal, work: Hands, word: str) -> None:
    work.hire()
    text = terminal.fleet("why", word).out
    assert text.startswith("mission/login is under way: 0 of 3 sorties are done")
    assert "start mission/login was decided: new in the file" in text
    assert "revision 1 of the file was accepted" in text


def test_a_sortie_is_found_by_its_bare_name(yard: Yard, terminal: Terminal, work: Hands) -> None:
    assert terminal.fleet("why", "build").out.startswith("sortie/login/build waits")
    assert "known: mission/login" in terminal.fleet("why", "nothing").err
    yard.write("", more=MISSION + "  logout: {sorties: {build: {run: make}}}\n")
    yard.must_apply()
    both = terminal.fleet("why", "build")
    assert (both.code, "say which: sortie/login/build, sortie/logout/build" in both.err) == (1, True)


def test_why_a_sortie_waits_in_a_sentence(terminal: Terminal, work: Hands) -> None:
    assert "waits: no specialist is registered" in terminal.fleet("why", "sortie/login/design").out
    who = work.hire()
    assert f"waits: {who} is free, and has not claimed it yet" in terminal.fleet("why", "login/design").out
    work.claim(who)
    first, *_ = terminal.fleet("why", "login/build").out.splitlines()
    assert first == "sortie/login/build waits: it comes after design (ada, cli)"
    assert f"is worked on by {who}" in terminal.fleet("why", "sortie/login/design").out


def test_why_a_sortie_ended_as_it_did(terminal: Terminal, work: Hands) -> None:
    who = work.hire()
    work.do(who, summary="well made")
    work.fail(who, "no\n compiler")
    assert "(the last attempt failed: no compiler)" in terminal.fleet("why", "login/build").out
    stories = terminal.fleet("why", "login/design", "--json").json
    assert stories[0]["summary"].startswith(f"sortie/login/design was completed by {who}: well made")
    assert [link["event"]["event_type"] for link in stories[0]["links"]][-2:] == [
        "action_intended",
        "revision_accepted",
    ]
    finish_failing(work, who)
    assert "is failed: 1 of 3 sorties failed: build" in terminal.fleet("why", "login").out
    assert "failed in attempt 2: boom" in terminal.fleet("why", "login/build").out


def finish_failing(work: Hands, who: str) -> None:
    threading.Event().wait(0.002)
    work.fail(who)
    work.do(who)


def test_why_other_states(terminal: Terminal, work: Hands) -> None:
    who = work.hire()
    terminal.fleet("sorties", "assign", "login/design", who)
    assert f"was given to {who}, which has not begun" in terminal.fleet("why", "login/design").out
    claimed = work.claim(who)
    work.desk.run(sorties.block(claimed.sortie.id, who, reason="no token", blocker_type="external"))
    assert "is blocked, in the hands of" in terminal.fleet("why", "login/design").out
    terminal.fleet("missions", "cancel", "login", "--why", "no need")
    assert "was cancelled by ada" in terminal.fleet("why", "login/design").out
    assert "mission/login is cancelled: no need" in terminal.fleet("why", "login").out


def test_why_a_result_waits_for_its_review(terminal: Terminal, reviewed: Hands) -> None:
    assert "its result waits for a person to review it" in terminal.fleet("why", "login/design").out


def test_a_plan_with_edits_for_the_next_run(yard: Yard, terminal: Terminal, work: Hands) -> None:
    yard.write("", more=MISSION.replace("make build", "make all"))
    text = terminal.fleet("plan").out
    assert "In the next run" in text
    assert "sorties.build.run: make build → make all" in text
    assert terminal.fleet("plan", "--json").json["later"][0]["resource"] == "mission/login"
