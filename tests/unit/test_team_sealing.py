"""What the broker carries: only the team can open it, where it was published, and only its sender can have sent it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tray.core.messages import Tokens
from tray.core.sessions import Activity, Request, RequestKind, Retry, Session
from tray.core.team import (
    ASK,
    BEAT,
    PRESENCE,
    SHARED,
    SNAPSHOT,
    Presence,
    SharedServer,
    Snapshot,
    Topic,
    topic_of,
    tray_id,
)
from tray.sources.team.sealing import Sealer, UnsealError, decode, public_key
from tray.sources.team.validation import check_servers, check_sessions

TEAM_KEY = bytes(32)
OWN, OTHER = Sealer(TEAM_KEY, b"\1" * 32), Sealer(TEAM_KEY, b"\2" * 32)
HERE = Topic("team", OWN.id, PRESENCE)
RECORD = Presence(1, 2, is_online=True, name="me@here")


def test_the_team_opens_what_a_tray_has_sealed() -> None:
    opened = OTHER.open(HERE, OWN.seal(HERE, RECORD))
    assert opened.sender == OWN.key == public_key(b"\1" * 32)
    assert decode(opened.record, Presence) == RECORD
    assert tray_id(opened.sender) == OWN.id


def test_nothing_of_the_content_can_be_read_without_the_key() -> None:
    payload = OWN.seal(HERE, RECORD)
    assert b"me@here" not in payload
    assert OWN.key.encode() not in payload
    assert OWN.seal(HERE, RECORD) != payload
    with pytest.raises(UnsealError):
        Sealer(b"\1" * 32, b"\2" * 32).open(HERE, payload)


@pytest.mark.parametrize(
    "topic", [Topic("other", OWN.id, PRESENCE), Topic("team", OTHER.id, PRESENCE), Topic("team", OWN.id, SNAPSHOT)]
)
def test_a_payload_that_was_moved_to_another_topic_cannot_be_opened(topic: Topic) -> None:
    with pytest.raises(UnsealError):
        OTHER.open(topic, OWN.seal(HERE, RECORD))


@pytest.mark.parametrize("kind", [kind for kind in SHARED if kind != BEAT])
def test_a_member_cannot_publish_in_the_name_of_another(kind: str) -> None:
    topic = Topic("team", OWN.id, kind)
    with pytest.raises(UnsealError, match="another tray"):
        OTHER.open(topic, OTHER.seal(topic, RECORD))


def test_only_a_beat_is_valid_without_a_signature() -> None:
    topic = Topic("team", OWN.id, BEAT)
    payload = OTHER.seal(topic, RECORD)
    assert OWN.open(topic, payload) == ("", OWN.open(topic, payload).record)
    for kind in (*SHARED, ASK):
        if kind != BEAT:
            with pytest.raises(UnsealError):
                OWN.open(Topic("team", OWN.id, kind), payload)


def test_an_answer_can_be_opened_by_its_tray_alone() -> None:
    topic = Topic("team", OWN.id, ASK)
    payload = OTHER.seal(topic, RECORD, OWN.box)
    assert OWN.open(topic, payload).sender == OTHER.key
    for other in (OTHER, Sealer(TEAM_KEY, b"\3" * 32), Sealer(TEAM_KEY, b"\1" * 32)):
        with pytest.raises(UnsealError):
            other.open(topic, payload)


@pytest.mark.parametrize("box", ["x", "é" * 43, "0" * 64])
def test_a_key_that_is_none_is_an_error_of_the_sender(box: str) -> None:
    with pytest.raises(ValueError):
        OWN.seal(HERE, RECORD, box)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused(payload: bytes) -> None:
    for version in (b"", b"\1", b"\2"):
        with pytest.raises(UnsealError):
            OWN.open(HERE, version + payload)


@settings(deadline=None)
@given(st.data())
def test_a_payload_that_was_changed_is_refused(data: st.DataObject) -> None:
    box = data.draw(st.sampled_from(["", OTHER.box]))
    payload = bytearray(OWN.seal(HERE, RECORD, box))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnsealError):
        OTHER.open(HERE, bytes(payload))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"null", b"{}", b"[" * 100_000, b'{"started":1}', b"\xff"])))
def test_any_record_of_a_member_is_decoded_or_refused(record: bytes) -> None:
    for kind in (Presence, Snapshot):
        try:
            decode(record, kind)
        except UnsealError:
            continue


@pytest.mark.parametrize(
    "server",
    [
        SharedServer("", "n", "h", "/d"),
        SharedServer("s", "x" * 30_000, "h", "/d"),
        SharedServer("s", "n", "h", "/d", lost_at=-1),
    ],
)
def test_a_server_with_numbers_or_texts_that_cannot_be_true_is_refused(server: SharedServer) -> None:
    check_servers([SharedServer("s", "n", "h", "/d")])
    with pytest.raises(UnsealError):
        check_servers([server])


@pytest.mark.parametrize("tray", ["", "x" * 60_000, "A" * 32, "0" * 31, "+"])
def test_a_topic_of_no_tray_is_not_opened(tray: str) -> None:
    assert topic_of(f"opencode-tray/team/{tray}/presence") is None
    assert topic_of(f"opencode-tray/team/{'0' * 32}/presence") is not None


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_topic_is_one_of_a_team_or_none(text: str) -> None:
    topic = topic_of(text)
    assert topic is None or str(topic) == text


REQUEST = Request("per_1", "s", RequestKind.PERMISSION, "bash", "ls")


@pytest.mark.parametrize(
    "session",
    [
        Session("", "a"),
        Session("x" * 300, "a"),
        Session("s", "a", updated=10**20),
        Session("s", "a", tokens=Tokens(10**400)),
        Session("s", "a", inherited_tokens=Tokens(output=-1)),
        Session("s", "a", cost=1e308),
        Session("s", "a", inherited_cost=float("nan")),
        Session("s", "a", retry=Retry(10**30, "", 1)),
        Session("s", "a", title="x" * 30_000),
        Session("s", "a", requests=(Request("p" * 300, "s", RequestKind.PERMISSION, "", ""),)),
        Session("s", "a", turn_started=-1),
        Session("s", "a", retry=Retry(1, "", 10**15), activity=Activity.RETRY),
        Session("s", "a", requests=(Request("p", "s", RequestKind.PERMISSION, "", "", asked_at=-5),)),
    ],
)
def test_a_session_with_numbers_or_texts_that_cannot_be_true_is_refused(session: Session) -> None:
    check_sessions([Session("s", "a", requests=(REQUEST,))])
    with pytest.raises(UnsealError):
        check_sessions([session])
