"""What a fork inherited is not its own: by events, in digests and in snapshots, of every recorded version."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from replay import RECORDINGS, SERVER, played, recording
from tray.core.events import ActivityReported, MessageReported, SessionFacts, SessionReported, SnapshotTaken
from tray.core.model import Activity, Message, Session, SessionKey, Status, Tokens
from tray.core.opencode_ids import age, is_inherited
from tray.sources.protocol.schema import MessageInfo
from tray.sources.protocol.snapshot import decode_snapshot, digest_of

VERSIONS = ["1.0.185", "1.1.65", "1.3.2", "1.18.33"]
AT = 1_795_237_282_131
ONE = Tokens(1000, 34, 0, 200)  # of a step of the recordings


def told(version: str, scenario: str) -> dict[str, MessageInfo]:
    """By id, each message of the recording as it was told last."""
    infos = [line["event"]["properties"]["info"] for line in recording(version, scenario)
             if line["event"]["type"] == "message.updated"]  # fmt: skip
    return {info["id"]: msgspec.convert(info, MessageInfo) for info in infos}


def made_id(at: int) -> str:
    """An id as OpenCode makes it."""
    return f"msg_{(at << 12) % 2**48:012x}abcdefghijklmn"


def step(at: int, completed: int, **more: Any) -> Message:
    return Message(made_id(at), completed=completed, tokens=ONE, cost=0.5, **{"finish": "stop", **more})


def fork(play: Any) -> Session:
    return max(play.fleet.sessions.values(), key=lambda session: session.created)


def test_of_all_that_was_recorded_the_copies_of_the_forks_and_nothing_else_are_inherited() -> None:
    found = {
        (path.parent.name, path.stem): [one.id for one in told(path.parent.name, path.stem).values()
                                        if is_inherited(one.known())]
        for path in RECORDINGS.glob("*/*.jsonl")
    }  # fmt: skip
    forks = {name: len(ids) for name, ids in found.items() if ids}
    assert forks == {(version, "27_fork"): 2 for version in VERSIONS}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_untouched_fork_used_nothing(version: str) -> None:
    session = fork(played(version, "27_fork"))
    assert (session.cost, session.tokens) == (0, Tokens())
    assert (session.inherited_cost, session.inherited_tokens) == (pytest.approx(0.00714), ONE + ONE)
    assert (
        session.context_tokens == ONE.output
    )  # of the compaction that was inherited: it is in the context all the same


@pytest.mark.parametrize("version", VERSIONS)
def test_a_forks_own_turn_is_all_that_it_used_whatever_opencode_sums(version: str) -> None:
    play = played(version, "27_fork")
    name = fork(play).id
    at = recording(version, "27_fork")[-1]["t"] + 1000
    if version == "1.18.33":  # as measured: it sums the copies
        sums = SessionFacts(name, cost=0.01071, tokens=ONE + ONE + ONE)
        play.apply(SessionReported(SERVER.id, sums), at)
    own = Message(made_id(at), finish="stop", completed=at + 50, tokens=ONE, cost=0.00357)
    for _ in range(2):
        play.apply(MessageReported(SERVER.id, name, own), at + 50)
    assert (fork(play).cost, fork(play).tokens) == (pytest.approx(0.00357), ONE)


def fork_in_a_snapshot(own: int, limit: int, *, counted: bool, copies: int = 3) -> Session:
    """A fork that is not known yet, of so many copies and own steps, as a snapshot tells it."""
    steps = [step(AT + n, AT - 5000 + n) for n in range(copies)] + [
        step(AT + 9000 + n, AT + 9500 + n) for n in range(own)
    ]
    used = {"role": "assistant", "cost": 0.5, "tokens": {"input": 1000, "output": 34, "cache": {"read": 200}}}
    listed = [{"info": {"id": one.id, "time": {"completed": one.completed}, **used}, "parts": []} for one in steps]
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
def test_a_snapshot_tells_what_is_a_forks_own_though_not_all_copies_were_read(
    own: int, limit: int, *, counted: bool
) -> None:
    session = fork_in_a_snapshot(own, limit, counted=counted)
    assert session.cost == pytest.approx(0.5 * own)
    assert session.tokens == Tokens(1000 * own, 34 * own, 0, 200 * own)


def test_what_was_inherited_is_kept_where_a_later_snapshot_reads_no_messages() -> None:
    play = played("1.18.33", "27_fork")
    sums = SessionFacts(fork(play).id, cost=0.00714, tokens=ONE + ONE)
    play.apply(SnapshotTaken(SERVER.id, sessions=(sums,)), AT)
    assert (fork(play).cost, fork(play).tokens) == (0, Tokens())


def test_sums_that_come_before_the_copies_do_not_count_them_either() -> None:
    play = played("1.18.33", "00_startup")
    play.apply(SessionReported(SERVER.id, SessionFacts("ses_1", cost=1.0, tokens=ONE + ONE)), AT)
    for n in range(2):
        play.apply(MessageReported(SERVER.id, "ses_1", step(AT + n, AT - 5000 + n)), AT)
    session = play.fleet.sessions[SessionKey(SERVER.id, "ses_1")]
    assert (session.cost, session.tokens) == (0, Tokens())


def test_an_error_or_an_end_that_was_inherited_is_no_news_of_the_fork() -> None:
    play = played("1.18.33", "00_startup")
    listed = [{"info": {"id": made_id(AT), "role": "assistant", "error": {"name": "APIError"},
                        "time": {"completed": AT - 5000}}, "parts": []}]  # fmt: skip
    digest = digest_of(msgspec.Raw(json.dumps(listed).encode()), 50)
    told = json.dumps({"sessions": [{"id": "ses_1", "digest": digest}], "status": {}}).encode()
    play.apply(decode_snapshot(SERVER.id, told, AT), AT)
    play.apply(MessageReported(SERVER.id, "ses_1", step(AT + 10, AT - 4000)), AT + 10)
    for activity in (Activity.BUSY, Activity.IDLE):  # a command that the person ran
        play.apply(ActivityReported(SERVER.id, "ses_1", activity), AT + 100)
    assert play.fleet.sessions[SessionKey(SERVER.id, "ses_1")].status is Status.IDLE


def test_the_time_of_an_id_is_right_within_a_year_and_no_text_is_an_id() -> None:
    assert age(made_id(AT), AT + 300 * 24 * 3600_000) == 300 * 24 * 3600_000
    assert age(made_id(AT), AT - 300 * 24 * 3600_000) == -300 * 24 * 3600_000
    assert [age(text, AT) for text in ("", "msg_", "msg_1", "msg_ses_1_00000000", "msg_zzzzzzzzzzzz")] == [None] * 5


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "scenario", ["22_compaction_manual", "23_compaction_auto_overflow", "28_revert_unrevert", "02_bash_once"]
)
def test_what_is_compacted_or_taken_back_was_used_all_the_same_and_once(version: str, scenario: str) -> None:
    """Each step that the model was asked for costs once, by events and by OpenCode's own sums alike."""
    play = played(version, scenario)
    steps = [one for one in told(version, scenario).values() if one.role == "assistant"]
    sums = {line["event"]["properties"]["info"]["id"]: line["event"]["properties"]["info"].get("cost")
            for line in recording(version, scenario) if line["event"]["type"] == "session.updated"}  # fmt: skip
    for session in play.fleet.sessions.values():
        used = sum(one.known().cost for one in steps if one.sessionID == session.id)
        assert session.cost == pytest.approx(sums[session.id] if session.counted else used), session.id
