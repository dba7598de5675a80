"""Recorded events that are repeated, reordered, cut and corrupted."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from replay import RECORDINGS, SERVER
from tray.core.events import RequestAsked, RequestClosed, ServerConnected, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.lenient_json import replace_lone_surrogates
from tray.core.session_index import SessionIndex
from tray.sources.protocol.events import FrameError, decode_event

SCENARIOS = ("07_two_permissions_parallel", "08_question_reply", "11_subagent_task_with_child_permission")
EVENTS = sorted(
    {
        json.dumps(json.loads(line)["event"]).encode()
        for name in SCENARIOS
        for path in RECORDINGS.glob(f"*/{name}.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
)


def corrupted(raw: bytes, at: int, by: bytes) -> bytes:
    """Replace the end of the frame from this position, or some of its bytes."""
    place = at % len(raw)
    return raw[:place] + by if at % 2 else raw[:place] + by + raw[place + len(by) :]


valid = st.sampled_from(EVENTS)
frames = st.one_of(
    valid,
    valid,
    st.builds(
        corrupted, valid, st.integers(0, 10_000), st.sampled_from([b"", b"null", b'"x"', b"[]", b"9", b"\xff", b"\\"])
    ),
    st.just(b'{"type":"something.new","properties":{"sessionID":"ses_1"}}'),
    st.binary(max_size=8),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(frames, max_size=80))
def test_no_frame_raises_and_only_pending_requests_are_shown(raw_frames: list[bytes]) -> None:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(SERVER.id)):
        index.update(fleet.apply(event, 1000))
    asked: set[str] = set()
    closed: set[str] = set()
    for raw in raw_frames:
        try:
            events = decode_event(SERVER.id, replace_lone_surrogates(raw), 1000)
        except FrameError:
            continue
        for event in events:
            if isinstance(event, RequestAsked):
                asked.add(event.request.id)
            if isinstance(event, RequestClosed):
                closed.add(event.request_id)
            index.update(fleet.apply(event, 1000))
    assert {request.id for row in index.rows() for request in row.requests} <= asked - closed
