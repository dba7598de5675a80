"""What the history records: each response of a model once, each turn, and each request with how it ended."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from replay import RECORDINGS, SERVER, recording
from tray.core.events import (
    ActivityReported,
    Digest,
    Event,
    MessageReported,
    OutputReported,
    Restored,
    ServerConnected,
    SessionDeleted,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
    StepsReported,
)
from tray.core.fleet import Fleet
from tray.core.history import (
    EditRecord,
    HistoryRecord,
    RequestRecord,
    SessionRecord,
    StepRecord,
    TurnOutcome,
    TurnRecord,
)
from tray.core.ledger import Ledger, step_of
from tray.core.messages import Message, Tokens
from tray.core.numbers import MAX_TOKENS
from tray.core.prices import Price
from tray.core.servers import Server
from tray.core.sessions import Activity, Outcome
from tray.core.stored_turns import stored_turns
from tray.sources.protocol.events import decode_event
from tray.system.local_day import day_number, hours_of

DAY = 24 * 3600_000
NOW = 1_795_237_290_000
STEP_COST = 3_570  # micro-dollars of one answer of the scripted model
VERSIONS = ("1.0.185", "1.1.65", "1.3.2", "1.18.33")


class Story:
    """A fleet with one server, and what its events add to the history."""

    def __init__(self, server: Server = SERVER) -> None:
        self.fleet = Fleet()
        self.ledger = Ledger(self.fleet, lambda at: at // DAY)
        self.records: list[HistoryRecord] = []
        self.apply(ServerConnected(server), SnapshotTaken(server.id))

    def apply(self, *events: Event, at: int = 0) -> None:
        for event in events:
            self.records += self.ledger.records(event, self.fleet.apply(event, at), at)

    def play(self, version: str, scenario: str) -> Story:
        for line in recording(version, scenario):
            self.apply(*decode_event(SERVER.id, json.dumps(line["event"]).encode(), line["t"]), at=line["t"])
        return self

    @property
    def steps(self) -> dict[str, StepRecord]:
        """The newest record of each step that is in a sum."""
        found = {record.id: record for record in self.records if isinstance(record, StepRecord)}
        return {name: step for name, step in found.items() if not step.inherited}

    @property
    def turns(self) -> list[TurnOutcome]:
        return [record.outcome for record in self.records if isinstance(record, TurnRecord)]


def whole_recordings() -> Iterator[tuple[str, str]]:
    """Yield the recordings that contain all messages of their sessions."""
    for version in VERSIONS:
        for path in sorted((RECORDINGS / version).glob("*.jsonl")):
            if path.stem != "22_compaction_manual":
                yield version, path.stem


@pytest.mark.parametrize(("version", "scenario"), list(whole_recordings()))
def test_the_cost_of_all_steps_is_that_of_all_sessions(version: str, scenario: str) -> None:
    story = Story().play(version, scenario)
    deleted = {record.id for record in story.records if isinstance(record, SessionRecord) and record.is_deleted}
    steps = [step for step in story.steps.values() if step.session not in deleted]
    expected = sum(session.cost for session in story.fleet.sessions.values())
    reported = sum(step.reported or 0 for step in steps)
    known = {step.session for step in steps}
    assert reported == pytest.approx(1e6 * expected, abs=len(known)), (version, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_copies_in_a_fork_are_in_no_sum(version: str) -> None:
    story = Story().play(version, "27_fork")
    copies = {record.id: record.reported for record in story.records if isinstance(record, StepRecord)}
    assert (set(copies.values()), story.steps) == ({STEP_COST}, {})


def test_a_step_has_its_model_its_agent_and_its_times() -> None:
    story = Story().play("1.18.33", "01_prompt_stream")
    (step,) = story.steps.values()
    assert (step.model, step.agent, step.failed) == ("fake/fake-model", "build", False) or step.model
    assert 0 < step.ended - step.created < 60_000
    assert step.day == step.ended // DAY
    assert step.tokens.total > 0


def test_a_response_that_has_not_ended_is_no_step() -> None:
    story = Story()
    running = Message("msg_1", cost=0.1, tokens=Tokens(5))
    story.apply(MessageReported(SERVER.id, "ses", running), StepsReported(SERVER.id, "ses", (running,)))
    story.apply(MessageReported(SERVER.id, "ses", Message("msg_2", role="user", completed=NOW)))
    assert story.steps == {}
    story.apply(StepsReported(SERVER.id, "ses", (replace(running, completed=NOW),)))
    assert [step.reported for step in story.steps.values()] == [100_000]


def test_reported_and_estimated_money_are_two_amounts() -> None:
    story = Story()
    story.ledger.prices = {"a/priced": Price(input=3, output=15, cache_read=0.3, cache_write=3.75), "a/free": Price()}
    tokens = Tokens(1000, 100, 10, 10_000, 200)
    for name, model, cost in (("1", "a/priced", 0.0), ("2", "a/priced", 0.5), ("3", "a/free", 0.0), ("4", "b", 0.0)):
        message = Message(name, model=model, cost=cost, tokens=tokens, completed=NOW)
        story.apply(StepsReported(SERVER.id, "ses", (message,)))
    found = {name: (step.reported, step.estimated) for name, step in story.steps.items()}
    assert found == {"1": (None, 3000 + 1650 + 3000 + 750), "2": (500_000, None), "3": (None, 0), "4": (None, None)}


def test_the_clock_of_another_machine_does_not_move_its_steps() -> None:
    story = Story(replace(SERVER, clock_skew=2 * DAY))
    story.apply(StepsReported(SERVER.id, "ses", (Message("1", completed=NOW),)))
    assert [(step.ended, step.day) for step in story.steps.values()] == [(NOW - 2 * DAY, NOW // DAY - 2)]


def test_the_delay_of_a_connection_does_not_move_steps() -> None:
    story = Story(replace(SERVER, clock_skew=-1_500))
    story.apply(StepsReported(SERVER.id, "ses", (Message("1", completed=NOW),)))
    assert [step.ended for step in story.steps.values()] == [NOW]


@pytest.mark.parametrize("completed", [1, 5_000, 32_536_850_400_000, 2**53])
def test_a_time_out_of_range_is_not_recorded(completed: int) -> None:
    story = Story()
    story.apply(StepsReported(SERVER.id, "ses", (Message("1", completed=completed),)))
    story.apply(MessageReported(SERVER.id, "ses", Message("1", completed=completed)))
    assert story.steps == {}
    assert list(stored_turns("ses", [Message("1", role="user"), Message("2", completed=completed)], day_number)) == []


@pytest.mark.parametrize("changes", [{"verified": False}, {"plugin": "demo"}])
def test_a_server_without_the_token_and_a_simulated_one_are_not_recorded(changes: dict[str, Any]) -> None:
    story = Story(replace(SERVER, **changes)).play("1.18.33", "02_bash_once")
    assert story.records == []


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        ("01_prompt_stream", TurnOutcome.COMPLETED),
        ("12_provider_error_400", TurnOutcome.FAILED),
        ("18_abort_streaming", TurnOutcome.ABORTED),
        ("11_subagent_task_with_child_permission", TurnOutcome.COMPLETED),
    ],
)
def test_a_turn_is_recorded_once_with_its_outcome(scenario: str, outcome: TurnOutcome) -> None:
    assert Story().play("1.18.33", scenario).turns == [outcome]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_turn_has_the_beginning_of_its_prompt_and_the_last_line_of_its_reply(version: str) -> None:
    story = Story().play(version, "01_prompt_stream")
    (turn,) = [record for record in story.records if isinstance(record, TurnRecord)]
    assert turn.prompt == 'hello ##{"reason": "let me think about it", "slow": 8}'
    assert turn.reply == "word0 word1 word2 word3 word4 word5 word6 word7"
    silent = Story()
    silent.ledger.keeps_text = False
    silent.play(version, "01_prompt_stream")
    (turn,) = [record for record in silent.records if isinstance(record, TurnRecord)]
    assert (turn.prompt, turn.reply) == ("", "")


@pytest.mark.parametrize(
    ("scenario", "edits"),
    [("29_edit_permission", {(".txt", 1, 1)}), ("28_revert_unrevert", {(".txt", 1, 0)}), ("02_bash_once", set())],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_change_of_a_file_is_recorded_with_its_extension_and_lines(
    version: str, scenario: str, edits: set[tuple[str, int, int]]
) -> None:
    records = Story().play(version, scenario).records
    assert all(e.id.split("@")[1] > "1795" for e in records if isinstance(e, EditRecord))  # of the recording's time
    assert {(e.extension, e.added, e.removed) for e in records if isinstance(e, EditRecord)} == edits


def test_a_reply_that_says_the_same_as_the_one_before_is_recorded_again() -> None:
    story = Story()
    story.apply(SessionReported(SERVER.id, SessionFacts("ses")))
    busy, idle = (ActivityReported(SERVER.id, "ses", activity) for activity in (Activity.BUSY, Activity.IDLE))
    for number in (0, 8):
        prompt, answer = (f"msg_{((NOW + number) * 4096 + n) % 2**48:012x}{'0' * 14}" for n in (0, 1))
        story.apply(MessageReported(SERVER.id, "ses", Message(prompt, role="user")), busy, at=NOW + number)
        reply = Message(answer, completed=NOW + number + 2, tokens=Tokens(1, 1), finish="stop", output="Done.")
        story.apply(MessageReported(SERVER.id, "ses", reply), idle, at=NOW + number + 3)
    assert [record.reply for record in story.records if isinstance(record, TurnRecord)] == ["Done.", "Done."]


def test_of_several_prompts_in_a_turn_the_first_one_is_kept() -> None:
    story = Story()
    story.apply(SessionReported(SERVER.id, SessionFacts("ses")))
    busy, idle = (ActivityReported(SERVER.id, "ses", activity) for activity in (Activity.BUSY, Activity.IDLE))
    first, second = (f"msg_{(NOW * 4096 + number) % 2**48:012x}{'0' * 14}" for number in (0, 1))
    for prompt in (first, second):
        message = MessageReported(SERVER.id, "ses", Message(prompt, role="user"))
        text = OutputReported(SERVER.id, "ses", prompt, "last line", f"text of {prompt}")
        story.apply(message, text, busy, at=NOW)
    answer = Message(f"msg_{(NOW * 4096 + 2) % 2**48:012x}{'0' * 14}", completed=NOW + 5, tokens=Tokens(1, 1))
    story.apply(MessageReported(SERVER.id, "ses", answer), idle, at=NOW + 9)
    (turn,) = [record for record in story.records if isinstance(record, TurnRecord)]
    assert (turn.id, turn.prompt, turn.reply) == (first, f"text of {first}", "")


@pytest.mark.parametrize("tokens", [Tokens(MAX_TOKENS + 1, 5), Tokens(-1, 5)])
def test_a_count_that_cannot_be_right_counts_as_0_and_such_a_cost_is_unknown(tokens: Tokens) -> None:
    step = step_of("ses", Message("msg_1", completed=NOW, tokens=tokens, cost=1e30), lambda at: at // DAY, {})
    assert step is not None
    assert (step.tokens, step.reported) == (Tokens(0, 5), None)


@pytest.mark.parametrize(("version", "scenario"), list(whole_recordings()))
def test_the_turns_of_the_stored_messages_are_those_that_were_seen(version: str, scenario: str) -> None:
    story = Story().play(version, scenario)
    messages: dict[str, dict[str, Message]] = {}
    for line in recording(version, scenario):
        for event in decode_event(SERVER.id, json.dumps(line["event"]).encode(), line["t"]):
            if isinstance(event, MessageReported):
                messages.setdefault(event.session_id, {})[event.message.id] = event.message
    roots = [session.id for session in story.fleet.sessions.values() if not session.is_child]
    stored = [
        turn for root in roots for turn in stored_turns(root, messages.get(root, {}).values(), lambda at: at // DAY)
    ]
    seen = {record.id: record for record in story.records if isinstance(record, TurnRecord)}
    assert {(turn.id, turn.started, turn.outcome) for turn in stored} == {
        (turn.id, turn.started, turn.outcome) for turn in seen.values()
    }


@pytest.mark.parametrize("is_prompt_known", [True, False])
def test_a_turn_that_ended_while_the_tray_was_killed_is_recorded_once(is_prompt_known: bool) -> None:
    whole = Story().play("1.18.33", "01_prompt_stream")
    (turn,) = [record for record in whole.records if isinstance(record, TurnRecord)]
    (ended,) = whole.fleet.sessions.values()
    cached = replace(
        ended, activity=Activity.BUSY, turn_started=turn.started + 5, turn_ended=0, outcome=Outcome.NONE,
        prompt=ended.prompt if is_prompt_known else "",
    )  # fmt: skip
    again = Story()
    again.fleet = Fleet()
    again.ledger = Ledger(again.fleet, lambda at: at // DAY)
    again.apply(Restored((SERVER,), (cached,), {}), ServerConnected(SERVER))
    facts = SessionFacts(ended.id, digest=Digest(2, 0.0, Tokens(), last=ended.last))
    idle = {ended.id: (Activity.IDLE, None)}
    again.apply(SnapshotTaken(SERVER.id, sessions=(facts,), activities=idle), at=turn.ended + 1_000)
    turns = [record for record in again.records if isinstance(record, TurnRecord)]
    assert [(record.id, record.started) for record in turns] == ([(turn.id, turn.started)] if is_prompt_known else [])


def test_a_request_is_recorded_from_its_question_to_its_answer() -> None:
    story = Story().play("1.18.33", "02_bash_once")
    requests = [record for record in story.records if isinstance(record, RequestRecord)]
    (name,) = {record.id for record in requests}
    assert name.startswith("per_")
    asked, *closed = requests
    assert (asked.kind, asked.title, bool(asked.detail)) == ("permission", "bash", True)
    assert {record.verdict for record in closed} == {"once", ""}
    assert all(record.closed >= asked.asked for record in closed)


def test_without_text_neither_titles_nor_commands_are_recorded() -> None:
    story = Story()
    story.ledger.keeps_text = False
    story.play("1.18.33", "02_bash_once")
    texts = [(r.title, r.detail) for r in story.records if isinstance(r, RequestRecord)]
    texts += [(r.title, "") for r in story.records if isinstance(r, SessionRecord)]
    assert set(texts) == {("", "")}


def test_a_deleted_session_is_marked() -> None:
    story = Story()
    story.apply(SessionDeleted(SERVER.id, "ses"))
    assert story.records == [SessionRecord("ses", is_deleted=True)]


@pytest.mark.fault
@pytest.mark.parametrize(("zone", "night"), [("Pacific/Auckland", (2026, 4, 5)), ("America/New_York", (2026, 11, 1))])
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has no TZ variable")
def test_a_day_with_a_change_of_the_clock_has_all_its_hours(
    monkeypatch: pytest.MonkeyPatch, zone: str, night: tuple[int, int, int]
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        midnight = int(datetime(*night, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
        days = [day_number(midnight + hour * 3600_000) for hour in range(-1, 26)]
        assert days.count(days[1]) == 25
        assert days[0] + 1 == days[1] == days[-1] - 1
        assert datetime.fromordinal(719_163 + days[1]).timetuple()[:3] == night
        hours = hours_of(days[1])
        assert (len(hours), len(set(hours)), hours_of(days[1] - 1)) == (25, 24, list(range(24)))
    finally:
        monkeypatch.undo()
        os.environ.setdefault("TZ", "")
        del os.environ["TZ"]
        time.tzset()
