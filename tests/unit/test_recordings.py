"""Every recorded scenario of every OpenCode version ends in the right state with the right notifications."""

from __future__ import annotations

import pytest

from replay import RECORDINGS, Play, played, recording
from tray.core.sessions import Status

# scenario -> (final state of the newest session, what was announced). Turns of any length are announced here.
EXPECTED: dict[str, tuple[str | None, list[str]]] = {
    "00_startup": ("idle", []),
    "01_prompt_stream": ("completed", ["finished"]),
    "02_bash_once": ("completed", ["finished"]),  # answered within the delay
    "03_bash_always": ("completed", ["finished"]),
    "04_bash_reject": ("idle", []),  # the user ended the turn
    "05_bash_reject_message": ("completed", ["finished"]),
    "06_bash_deny_rule": ("completed", ["finished"]),
    "07_two_permissions_parallel": ("completed", ["permission", "permission", "withdrawn", "finished"]),
    "08_question_reply": ("completed", ["finished"]),
    "09_question_reject": ("idle", []),
    "10_todo": ("completed", ["finished"]),
    "11_subagent_task_with_child_permission": ("completed", ["finished"]),
    "12_provider_error_400": ("error", ["error"]),
    "13_provider_error_401": ("error", ["error"]),
    "14_retry_429_then_ok": ("completed", ["finished"]),
    "15_retry_500_then_ok": ("completed", ["finished"]),
    "16_retry_abort": ("aborted", []),
    "17_broken_stream": ("error", ["error"]),
    "18_abort_streaming": ("aborted", []),
    "19_abort_while_permission_pending": ("aborted", ["permission", "withdrawn"]),
    "20_abort_while_question_pending": ("aborted", ["question", "withdrawn"]),
    "21_abort_running_tool": ("aborted", []),
    "22_compaction_manual": ("completed", ["finished"]),
    "23_compaction_auto_overflow": ("completed", ["finished"]),
    "24_rename": ("idle", []),
    "25_archive_unarchive": ("idle", []),
    "26_delete_with_child": (None, []),
    "27_fork": ("idle", []),
    "28_revert_unrevert": ("completed", ["finished"]),
    "29_edit_permission": ("completed", ["finished"]),
    "30_external_directory_permission": ("completed", ["finished"]),
    "31_webfetch_permission": ("completed", ["finished"]),
    "32_doom_loop": ("error", ["error"]),
    "33_queued_prompt_while_busy": ("completed", ["finished"]),
    "34_slash_command": ("completed", ["finished"]),
    "35_shell": ("idle", []),  # a command of the user, not a turn
    "36_git_branch_change_and_external_file_edit": (None, []),
    "37_pty": (None, []),
    "38_toast": (None, []),
    "39_mcp_runtime_add": ("completed", ["finished"]),
    "40_config_update_and_instance_dispose": (None, []),
    "41_late_reply_once_after_abort_write": ("aborted", ["permission", "withdrawn"]),
    "42_reply_unknown_ids": ("idle", []),
    "43_old_permission_route_on_new_version": ("completed", ["finished"]),
    "tui_inprocess": ("completed", ["permission", "withdrawn", "finished"]),
}

# What a version does differently.
DIFFERENT: dict[tuple[str, str], tuple[str | None, list[str]]] = {
    ("1.0.185", "03_bash_always"): ("waiting_for_permission", ["permission"]),  # recorded up to the third ask
    ("1.0.185", "05_bash_reject_message"): ("idle", []),  # takes no message with a rejection
    ("1.0.185", "07_two_permissions_parallel"): ("waiting_for_permission", ["permission"]),  # recorded unanswered
    ("1.0.185", "09_question_reject"): ("completed", ["finished"]),  # knows no question tool
    ("1.0.185", "20_abort_while_question_pending"): ("completed", ["finished"]),  # likewise
    ("1.0.185", "19_abort_while_permission_pending"): ("idle", ["permission", "withdrawn"]),  # answers it, then idle
    ("1.1.65", "19_abort_while_permission_pending"): ("idle", ["permission", "withdrawn"]),
    ("1.3.2", "19_abort_while_permission_pending"): ("idle", ["permission", "withdrawn"]),
    ("1.18.33", "16_retry_abort"): ("idle", []),  # just idle, with no error
}

RECORDED = sorted((path.parent.name, path.stem) for path in RECORDINGS.glob("[0-9]*/*.jsonl"))


@pytest.mark.parametrize(("version", "scenario"), RECORDED)
def test_a_recorded_scenario_ends_right(version: str, scenario: str) -> None:
    state, announced = DIFFERENT.get((version, scenario), EXPECTED[scenario])
    play = played(version, scenario)
    row = play.row()
    assert (row.status.value if row else None) == state
    assert play.announced == announced


@pytest.mark.parametrize("version", ["1.0.185", "1.1.65", "1.3.2", "1.18.33"])
def test_a_request_of_a_subagent_is_shown_at_the_root_session(version: str) -> None:
    lines = recording(version, "11_subagent_task_with_child_permission")
    play = Play()
    play.connect(lines[0]["t"])
    asked = []
    for line in play.events(lines):
        if line["event"]["type"] in ("permission.asked", "permission.updated"):
            row = play.row()
            assert row is not None
            assert row.session.parent is None
            assert row.status is Status.WAITING_FOR_PERMISSION
            assert row.requests[0].session != row.session.id
            asked.append(row.requests[0].detail)
    assert asked == ["ls child"]


@pytest.mark.parametrize("version", ["1.1.65", "1.3.2", "1.18.33"])
def test_a_session_with_one_of_two_requests_answered_still_waits(version: str) -> None:
    lines = recording(version, "07_two_permissions_parallel")
    play = Play()
    play.connect(lines[0]["t"])
    pending = []
    for line in play.events(lines):
        row = play.row()
        if line["event"]["type"].startswith("permission.") and row is not None:
            pending.append((len(row.requests), row.status.needs_user))
    assert pending == [(1, True), (2, True), (1, True), (0, False)]


@pytest.mark.parametrize("version", ["1.0.185", "1.1.65", "1.3.2", "1.18.33"])
def test_tokens_cost_context_and_messages_add_up(version: str) -> None:
    row = played(version, "02_bash_once").row()
    assert row is not None
    assert (row.tokens.input, row.tokens.output, row.tokens.cache_read) == (2000, 68, 400)
    assert row.cost == pytest.approx(0.00714)
    assert row.session.context_tokens == 1234
    assert row.session.messages == 3
    assert row.session.model == "fake/fake-1"
    assert row.session.agent == "build"
    assert row.session.title == "Fake title or summary"
    assert row.session.last_output == "word0 word1 word2"


@pytest.mark.parametrize("version", ["1.0.185", "1.1.65", "1.3.2", "1.18.33"])
def test_a_prompt_is_never_shown_as_output(version: str) -> None:
    row = played(version, "12_provider_error_400").row()
    assert row is not None
    assert row.session.last_output == ""
    assert row.session.failure is not None
    assert row.session.failure.message == "Bad thing happened"


@pytest.mark.parametrize("version", ["1.1.65", "1.3.2", "1.18.33"])
def test_the_time_in_a_request_id_is_its_creation_time(version: str) -> None:
    lines = recording(version, "02_bash_once")
    play = Play()
    play.connect(lines[0]["t"])
    for line in play.events(lines):
        row = play.row()
        if line["event"]["type"] == "permission.asked" and row is not None:
            assert abs(row.requests[0].asked_at - line["t"]) < 50
            return
    pytest.fail("nothing was asked")


@pytest.mark.parametrize("version", ["1.0.185", "1.1.65", "1.3.2", "1.18.33"])
@pytest.mark.parametrize(
    ("scenario", "acted"),
    [
        ("33_queued_prompt_while_busy", True),
        ("23_compaction_auto_overflow", False),  # OpenCode prompts twice, to summarize the messages
        ("01_prompt_stream", False),  # the prompt that begins the turn
        ("11_subagent_task_with_child_permission", False),  # answered by the recorder within a second
    ],
)
def test_only_prompts_of_the_user_count_during_a_turn(version: str, scenario: str, acted: bool) -> None:
    row = played(version, scenario).row()
    assert row is not None
    assert (row.user_acted_at > 0) == acted
