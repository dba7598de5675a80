"""Inherited messages of a fork do not count as its own: in events, digests and snapshots of every recorded version."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from replay import RECORDINGS, SERVER, played, recording
from tray.core.events import ActivityReported, MessageReported, SessionFacts, SessionReported, SnapshotTaken
from tray.core.messages import Message, Tokens
from tray.core.opencode_ids import age, is_inherited
from tray.core.sessions import Activity, Session, SessionKey, Status
from tray.sources.protocol.digest import digest_of
from tray.sources.protocol.schema import MessageInfo
from tray.sources.protocol.snapshot import decode_snapshot

VERSIONS = ["1.0.185", "1.1.65", "1.3.2", "1.18.33"]
AT = 1_795_237_282_131
STEP = Tokens(1000, 34, 0, 200)  # of each step in the recordings


def newest_messages(version: str, scenario: str) -> dict[str, MessageInfo]:
    """Return the newest state of each message of the recording, by id."""
    infos = [line["event"]["properties"]["info"] for line in recording(version, scenario)
             if line["event"]["type"] == "message.updated"]  # fmt: skip
    return {info["id"]: msgspec.convert(info, MessageInfo) for info in infos}


def made_id(at: int) -> str:
    """Return an id as OpenCode makes it."""
    return f"msg_{(at << 12) % 2**48:012x}abcdefghijklmn"


def step(at: int, completed: int, **more: Any) -> Message:
    return Message(made_id(at), completed=completed, tokens=STEP, cost=0.5, **{"finish": "stop", **more})


def fork(play: Any) -> Session:
    return max(play.fleet.sessions.values(), key=lambda session: session.created)


def test_in_all_recordings_only_the_copies_of_forks_are_inherited() -> None:
    found = {
        (path.parent.name, path.stem): [message.id for message in newest_messages(path.parent.name, path.stem).values()
                                        if is_inherited(message.to_core())]
        for path in RECORDINGS.glob("[0-9]*/*.jsonl")
    }  # fmt: skip
    forks = {name: len(ids) for name, ids in found.items() if ids}
    assert forks == {(version, "27_fork"): 2 for version in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fork_without_messages_of_its_own_costs_nothing(version: str) -> None:
    session = fork(played(version, "27_fork"))
    assert (session.cost, session.tokens) == (0, Tokens())
    assert (session.inherited_cost, session.inherited_tokens) == (pytest.approx(0.00714), STEP + STEP)
    assert (
        session.context_tokens == STEP.output
    )  # of the compaction that was inherited: it is in the context all the same


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fork_costs_only_its_own_turn_in_every_version(version: str) -> None:
    play = played(version, "27_fork")
    name = fork(play).id
    at = recording(version, "27_fork")[-1]["t"] + 1000
    if version == "1.18.33":  # as measured: it sums the copies
        sums = SessionFacts(name, cost=0.01071, tokens=STEP + STEP + STEP)
        play.apply(SessionReported(SERVER.id, sums), at)
    own = Message(made_id(at), finish="stop", completed=at + 50, tokens=STEP, cost=0.00357)
    for _ in range(2):
        play.apply(MessageReported(SERVER.id, name, own), at + 50)
    assert (fork(play).cost, fork(play).tokens) == (pytest.approx(0.00357), STEP)


def fork_in_a_snapshot(own: int, limit: int, *, counted: bool, copies: int = 3) -> Session:
    """Return a new fork with this number of copies and own steps, as reported by a snapshot."""
    steps = [step(AT + n, AT - 5000 + n) for n in range(copies)] + [
        step(AT + 9000 + n, AT + 9500 + n) for n in range(own)
    ]
    used = {"role": "assistant", "cost": 0.5, "tokens": {"input": 1000, "output": 34, "cache": {"read": 200}}}
    listed = [
        {"info": {"id": message.id, "time": {"completed": message.completed}, **used}, "parts": []} for message in steps
    ]
    digest = digest_of(msgspec.Raw(json.dumps(listed[-limit:]).encode()), limit)
    session: dict[str, Any] = {"id": "ses_1", "digest": digest}
    if counted:
        total = copies + own
        tokens = {"input": 1000 * total, "output": 34 * total, "cache": {"read": 200 * total}}
        session |= {"cost": 0.5 * total, "tokens": tokens}
    play = played("1.18.33", "00_startup")
    play.apply(decode_snapshot(SERVER.id, json.dumps({"sessions": [session]}).encode(), AT), AT)
    return play.fleet.sessions[SessionKey(SERVER.id, "ses_1")]


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize(("own", "limit"), [(0, 50), (2, 50), (2, 4)])
def test_a_snapshot_with_some_of_the_copies_gives_the_forks_own_cost(own: int, limit: int, *, counted: bool) -> None:
    session = fork_in_a_snapshot(own, limit, counted=counted)
    assert session.cost == pytest.approx(0.5 * own)
    assert session.tokens == Tokens(1000 * own, 34 * own, 0, 200 * own)


def test_a_later_snapshot_without_digest_keeps_the_inherited_cost() -> None:
    play = played("1.18.33", "27_fork")
    sums = SessionFacts(fork(play).id, cost=0.00714, tokens=STEP + STEP)
    play.apply(SnapshotTaken(SERVER.id, sessions=(sums,)), AT)
    assert (fork(play).cost, fork(play).tokens) == (0, Tokens())


def test_copies_are_subtracted_from_sums_that_were_reported_before() -> None:
    play = played("1.18.33", "00_startup")
    play.apply(SessionReported(SERVER.id, SessionFacts("ses_1", cost=1.0, tokens=STEP + STEP)), AT)
    for n in range(2):
        play.apply(MessageReported(SERVER.id, "ses_1", step(AT + n, AT - 5000 + n)), AT)
    session = play.fleet.sessions[SessionKey(SERVER.id, "ses_1")]
    assert (session.cost, session.tokens) == (0, Tokens())


def test_an_inherited_error_or_finished_turn_is_not_reported_for_the_fork() -> None:
    play = played("1.18.33", "00_startup")
    listed = [{"info": {"id": made_id(AT), "role": "assistant", "error": {"name": "APIError"},
                        "time": {"completed": AT - 5000}}, "parts": []}]  # fmt: skip
    digest = digest_of(msgspec.Raw(json.dumps(listed).encode()), 50)
    snapshot = json.dumps({"sessions": [{"id": "ses_1", "digest": digest}], "status": {}}).encode()
    play.apply(decode_snapshot(SERVER.id, snapshot, AT), AT)
    play.apply(MessageReported(SERVER.id, "ses_1", step(AT + 10, AT - 4000)), AT + 10)
    for activity in (Activity.BUSY, Activity.IDLE):  # a command that the user ran
        play.apply(ActivityReported(SERVER.id, "ses_1", activity), AT + 100)
    assert play.fleet.sessions[SessionKey(SERVER.id, "ses_1")].status is Status.IDLE


def test_the_age_of_an_id_is_exact_within_a_year() -> None:
    assert age(made_id(AT), AT + 300 * 24 * 3600_000) == 300 * 24 * 3600_000
    assert age(made_id(AT), AT - 300 * 24 * 3600_000) == -300 * 24 * 3600_000
    assert [age(text, AT) for text in ("", "msg_", "msg_1", "msg_ses_1_00000000", "msg_zzzzzzzzzzzz")] == [None] * 5


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "scenario", ["22_compaction_manual", "23_compaction_auto_overflow", "28_revert_unrevert", "02_bash_once"]
)
def test_compacted_and_reverted_steps_cost_once(version: str, scenario: str) -> None:
    """Each step costs once, in events and in OpenCode's own sums."""
    play = played(version, scenario)
    steps = [message for message in newest_messages(version, scenario).values() if message.role == "assistant"]
    sums = {line["event"]["properties"]["info"]["id"]: line["event"]["properties"]["info"].get("cost")
            for line in recording(version, scenario) if line["event"]["type"] == "session.updated"}  # fmt: skip
    for session in play.fleet.sessions.values():
        used = sum(message.to_core().cost for message in steps if message.sessionID == session.id)
        assert session.cost == pytest.approx(sums[session.id] if session.counted else used), session.id
