"""Hypothesis strategies for arbitrary events: duplicated, reordered, truncated and contradictory."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from replay import SERVER
from tray.core.answers import RequestKey
from tray.core.events import (
    ActivityReported,
    AnswerDrafted,
    AnswerFailed,
    AnswerSent,
    InstanceDisposed,
    MessageReported,
    MuteCleared,
    MuteSet,
    OutputReported,
    RequestAsked,
    RequestClosed,
    ServerConnected,
    ServerLost,
    SessionDeleted,
    SessionFacts,
    SessionFailed,
    SessionReported,
    SessionSeen,
    SnapshotTaken,
    TimePassed,
    ToolReported,
)
from tray.core.messages import Message
from tray.core.session_index import EVERYTHING, project_scope
from tray.core.sessions import Activity, Failure, Question, Request, RequestKind, SessionKey, session_scope

OTHER = replace(SERVER, id="other", name="other")
names = st.sampled_from(["a", "b", "c"])
scopes = st.sampled_from([EVERYTHING, session_scope("a"), project_scope(SERVER.directory)])
request_ids = st.sampled_from(["p1", "p2", "q1"])
servers = st.sampled_from([SERVER.id, OTHER.id, "unknown"])
requests = st.builds(
    Request,
    id=request_ids,
    session=names,
    kind=st.sampled_from(RequestKind),
    title=st.text(max_size=5),
    detail=st.text(max_size=5),
    questions=st.sampled_from([(), (Question("?"),), (Question("?"), Question("!", multiple=True))]),
)
request_keys = st.builds(RequestKey, server=servers, request=request_ids)
facts = st.builds(
    SessionFacts,
    id=names,
    parent=st.none() | names,
    title=st.none() | st.text(max_size=5),
    archived=st.none() | st.booleans(),
    updated=st.none() | st.integers(0, 10),
)
activities = st.sampled_from(Activity)
messages = st.builds(
    Message,
    id=st.sampled_from(["m1", "m2"]),
    role=st.sampled_from(["assistant", "user", "?"]),
    finish=st.sampled_from(["", "stop", "tool-calls"]),
    error=st.sampled_from(["", "APIError", "MessageAbortedError"]),
)
failures = st.builds(Failure, name=st.sampled_from(["APIError", "MessageAbortedError"]))
snapshots = st.builds(
    SnapshotTaken,
    server_id=servers,
    sessions=st.none() | st.lists(facts, max_size=3).map(tuple),
    activities=st.none() | st.dictionaries(names, st.tuples(activities, st.none()), max_size=3),
    permissions=st.none() | st.lists(requests, max_size=3).map(tuple),
    questions=st.none() | st.lists(requests, max_size=3).map(tuple),
)
any_event = st.one_of(
    st.sampled_from([ServerConnected(SERVER), ServerConnected(OTHER)]),
    st.builds(ServerLost, server_id=servers, goodbye=st.booleans()),
    snapshots,
    st.builds(SessionReported, server_id=servers, facts=facts),
    st.builds(SessionDeleted, server_id=servers, session_id=names),
    st.builds(ActivityReported, server_id=servers, session_id=names, activity=activities),
    st.builds(SessionFailed, server_id=servers, session_id=names, failure=failures),
    st.builds(RequestAsked, server_id=servers, request=requests),
    st.builds(RequestClosed, server_id=servers, session_id=names, request_id=request_ids),
    st.builds(MessageReported, server_id=servers, session_id=names, message=messages),
    st.builds(OutputReported, server_id=servers, session_id=names, message_id=st.just("m1"), line=st.text(max_size=3)),
    st.builds(ToolReported, server_id=servers, session_id=names, tool=st.just("bash"), running=st.booleans()),
    st.builds(InstanceDisposed, server_id=servers),
    st.builds(SessionSeen, session=st.builds(SessionKey, server=servers, session=names)),
    st.builds(AnswerSent, request=request_keys),
    st.builds(AnswerFailed, request=request_keys, why=st.just("no")),
    st.builds(AnswerDrafted, request=request_keys, question=st.integers(-1, 2), label=st.just("Red")),
    st.builds(MuteSet, scope=scopes, until=st.integers(0, 10_000_000)),
    st.builds(MuteCleared, scope=scopes),
    st.just(TimePassed()),
)
event_sequences = st.lists(st.tuples(any_event, st.integers(0, 10_000_000)), max_size=40)
