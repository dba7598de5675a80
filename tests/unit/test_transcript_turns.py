"""The turns that transcripts tell, and that the history has them once: live, after an import, and after a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

import copilot_events as copilot
from claude_lines import AT_MS, answer, prompt, result, text, tool, transcript
from codex_recordings import ROLLOUT, rollout
from replay import SERVER
from tray.agents.claude.session_files import SessionFiles
from tray.agents.claude.transcript import Transcript
from tray.core.events import ActivityReported, ServerConnected, SessionFacts, SnapshotTaken, TurnsReported
from tray.core.fleet import Fleet
from tray.core.history import TranscriptTurn, TurnOutcome, TurnRecord
from tray.core.ledger import Ledger
from tray.core.servers import AgentKind
from tray.core.sessions import Activity
from tray.sources.stored.importer import ImportOptions, import_stored
from tray.sources.stored.transcripts import claude_source, codex_source

DAY = 86_400_000
COMPLETED, ABORTED, FAILED = TurnOutcome.COMPLETED, TurnOutcome.ABORTED, TurnOutcome.FAILED
OPTIONS = ImportOptions(lambda at: at // DAY, {}, keeps_text=True)


def at(seconds: int, line: dict[str, Any], id_: str = "") -> dict[str, Any]:
    """Return a line of Claude Code with another time, and its message with another id."""
    message = {**line["message"], "id": id_} if id_ else line["message"]
    return {**line, "timestamp": f"2026-11-25T22:56:{40 + seconds}.000Z", "message": message}


def turns_of(read: Transcript) -> list[tuple[int, int, TurnOutcome, str, str]]:
    """Return what the turns tell, with their times in seconds after the first line."""
    turns = read.turns.take()
    return [
        ((turn.started - AT_MS) // 1000, (turn.ended - AT_MS) // 1000, turn.outcome, turn.prompt, turn.reply)
        for turn in turns
    ]


def test_a_turn_of_claude_lasts_from_its_prompt_to_the_end_of_the_answer() -> None:
    read = transcript(
        prompt("Fix it\nnow"),
        at(1, answer(text("I look"), tool(), stop_reason="tool_use"), "m1"),
        at(2, result()),
        at(5, answer(text("First\nIt works"), stop_reason="end_turn"), "m2"),
    )
    assert turns_of(read) == [(0, 5, COMPLETED, "Fix it now", "It works")]
    assert turns_of(read) == []


def test_a_turn_that_the_user_stopped_or_the_api_failed_says_so() -> None:
    read = transcript(
        prompt("one"),
        at(1, answer(text("I begin"), stop_reason=None)),
        at(2, prompt("[Request interrupted by user]")),
        at(3, prompt("two")),
        at(4, answer(text("API Error: 400"), isApiErrorMessage=True)),
    )
    assert turns_of(read) == [(0, 2, ABORTED, "one", "I begin"), (3, 4, FAILED, "two", "")]


def test_a_turn_whose_process_was_killed_is_aborted_by_the_next_prompt_or_by_the_end_of_its_process() -> None:
    lines = [prompt("one"), at(1, answer(tool(), stop_reason="tool_use")), at(7, prompt("two"))]
    read = transcript(*lines)
    assert turns_of(read) == [(0, 1, ABORTED, "one", "")]
    read.turns.abandon()
    assert turns_of(read) == [(7, 7, ABORTED, "two", "")]


def test_a_response_without_the_reason_of_its_end_is_complete_when_the_next_prompt_comes() -> None:
    read = transcript(
        prompt("one"),
        at(1, answer(tool(), stop_reason=None), "m1"),
        at(2, result()),
        at(3, answer(text("done"), stop_reason=None), "m2"),
        at(9, prompt("two")),  # it has no response: its process was killed
        at(10, prompt("three")),
        at(11, answer(tool(), stop_reason=None), "m3"),  # the same
        at(12, prompt("four")),
    )
    expected = [(0, 3, COMPLETED, "one", "done"), (9, 9, ABORTED, "two", ""), (10, 11, ABORTED, "three", "")]
    assert turns_of(read) == expected


def test_a_command_that_the_model_does_not_see_is_no_turn() -> None:
    read = transcript(prompt("<command-name>/clear</command-name>"), at(3, prompt("do it")), at(4, answer(text("ok"))))
    assert turns_of(read) == [(3, 4, COMPLETED, "do it", "ok")]
    read = transcript(prompt("<command-name>/exit</command-name>"))
    read.turns.abandon()
    assert turns_of(read) == []


def test_the_report_of_a_background_task_begins_a_turn_without_a_prompt() -> None:
    read = transcript(
        prompt("do it"),
        at(1, answer(text("started")), "m1"),
        at(9, prompt("<task-notification>done</task-notification>")),
        at(10, answer(text("it is done")), "m2"),
    )
    assert turns_of(read) == [(0, 1, COMPLETED, "do it", "started"), (9, 10, COMPLETED, "", "it is done")]


def test_a_hook_that_lets_claude_continue_extends_the_turn() -> None:
    read = transcript(
        prompt("do it"),
        at(1, answer(text("done")), "m1"),
        at(2, prompt("Stop hook feedback", isMeta=True)),
        at(4, answer(text("now really")), "m2"),
    )
    assert turns_of(read) == [(0, 4, COMPLETED, "do it", "now really")]


def test_the_turns_of_codex_are_those_of_its_rollout() -> None:
    turns = rollout().turns.take()
    assert [turn.outcome for turn in turns] == [COMPLETED] * 4 + [FAILED, ABORTED]
    first = turns[0]
    assert (first.prompt, first.reply, first.ended - first.started) == ('work ##{"words": 3}', "word0 word1 word2", 169)


def test_a_fork_of_codex_has_only_its_own_turns(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in ROLLOUT.read_text(encoding="utf-8").splitlines()]
    (turn_id,) = {line["payload"]["turn_id"] for line in lines if line["payload"].get("type") == "turn_aborted"}
    meta = {**lines[0], "payload": {**lines[0]["payload"], "id": turn_id[:-1], "session_id": turn_id[:-1]}}
    file = tmp_path / "sessions" / "2026" / "11" / "26" / "rollout-2026-11-26T19-16-22-fork.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(map(json.dumps, [meta, *lines])) + "\n", encoding="utf-8")
    steps = list(import_stored([codex_source(tmp_path, "host")], {}, OPTIONS))
    turns = [record for step in steps for record in step.records if isinstance(record, TurnRecord)]
    assert [(turn.session, turn.outcome) for turn in turns] == [(turn_id[:-1], ABORTED)]


def test_the_turns_of_copilot_are_those_of_its_events() -> None:
    finished = copilot.finished_turn()
    assert [turn.outcome for turn in copilot.events(*finished).turns.take()] == [COMPLETED]
    running = (copilot.prompt("one"), copilot.line("assistant.turn_start"), copilot.answer("", tools=1))
    for end, outcome in (("abort", ABORTED), ("session.error", FAILED), ("session.resume", ABORTED)):
        (turn,) = copilot.events(*running, copilot.line(end)).turns.take()
        assert (turn.prompt, turn.outcome) == ("one", outcome), end
    assert copilot.events(*running, copilot.line("assistant.turn_end")).turns.take() == ()  # its tool is running


def test_an_import_has_prompts_and_replies_only_if_texts_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "projects" / "-work" / "ses.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(map(json.dumps, [prompt("do it"), at(3, answer(text("done")))])) + "\n", encoding="utf-8")
    found = []
    for options in (OPTIONS, OPTIONS._replace(keeps_text=False)):
        records = next(import_stored([claude_source(tmp_path, "host")], {}, options)).records
        found += [record for record in records if isinstance(record, TurnRecord)]
    whole = TurnRecord("ses", AT_MS, AT_MS + 3000, AT_MS // DAY, COMPLETED, "", "do it", "done")
    assert found == [whole, replace(whole, prompt="", reply="")]


def test_the_turns_that_a_fork_of_claude_copied_belong_to_its_parent(tmp_path: Path) -> None:
    lines = [
        prompt("do it", uuid="a"),
        at(1, answer(text("done")), "m1"),
        at(2, prompt("fail", uuid="b")),
        at(3, answer(text("API Error: 400"), isApiErrorMessage=True), "m2"),
        at(4, prompt("stop", uuid="c")),
        at(5, prompt("[Request interrupted by user]", uuid="d")),
    ]
    own = [at(7, prompt("more", uuid="e")), at(8, answer(text("also done")), "m3")]
    copies = [{**line, "forkedFrom": {"sessionId": "parent", "messageUuid": "u"}} for line in lines]
    for name, content in (("parent", lines), ("fork", [*copies, *own])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, content)) + "\n", encoding="utf-8")
    found = {}
    for name in ("parent", "fork"):
        files = SessionFiles(tmp_path / f"{name}.jsonl")
        files.read()
        found[name] = [turn.prompt for turn in files.take_turns()]
    assert found == {"parent": ["do it", "fail", "stop"], "fork": ["more"]}


def test_of_an_agent_with_transcripts_only_these_tell_the_turns() -> None:
    turn = TranscriptTurn(AT_MS, AT_MS + 1, COMPLETED, "do it", "done")
    for kind in (AgentKind.CLAUDE, AgentKind.GEMINI):
        fleet = Fleet()
        ledger = Ledger(fleet, lambda at: at // DAY)
        facts = (SessionFacts("ses"), SessionFacts("child", parent="ses"))
        events = (
            ServerConnected(replace(SERVER, agent_kind=kind)),
            SnapshotTaken(SERVER.id, sessions=facts),
            ActivityReported(SERVER.id, "ses", Activity.BUSY),
            ActivityReported(SERVER.id, "ses", Activity.IDLE),
            TurnsReported(SERVER.id, "ses", (turn, replace(turn, started=-1))),
            TurnsReported(SERVER.id, "child", (turn,)),
        )
        records = [record for event in events for record in ledger.records(event, fleet.apply(event, AT_MS), AT_MS)]
        turns = [record for record in records if isinstance(record, TurnRecord)]
        assert len(turns) == (1 if kind.has_transcripts else 2)
        assert (turns[-1].session, turns[-1].prompt) == ("ses", "do it")
