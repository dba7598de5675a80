from hypothesis import given
from hypothesis import strategies as st

from tray.core.answers import RequestKey
from tray.core.closed_ids import MOST, ClosedIds
from tray.core.session_table import SessionTable
from tray.core.sessions import Request, RequestKind, Session, SessionKey

SERVERS, IDS, REQUESTS = ("s1", "s2"), ("a", "b", "c"), ("r1", "r2")


def _request(name):
    return Request(name, "a", RequestKind.PERMISSION, "bash", "ls")


sessions = st.builds(
    lambda server, name, parent, requests: Session(
        name, server, parent=parent, requests=tuple(map(_request, sorted(requests)))
    ),
    st.sampled_from(SERVERS),
    st.sampled_from(IDS),
    st.sampled_from((None, *IDS)),
    st.sets(st.sampled_from(REQUESTS)),
)
removals = st.builds(SessionKey, st.sampled_from(SERVERS), st.sampled_from(IDS))


@given(st.lists(st.one_of(sessions, removals), max_size=40))
def test_every_index_agrees_with_a_scan_of_all_sessions(steps):
    table, truth = SessionTable(), {}
    for step in steps:
        if isinstance(step, Session):
            table.put(step)
            truth[step.key] = step
        else:
            assert table.remove(step) == truth.pop(step, None)
    assert table.sessions == truth
    for server in SERVERS:
        assert set(table.of_server(server)) == {key for key in truth if key.server == server}
        assert table.count(server) == len(table.of_server(server))
        for request in REQUESTS:
            asking = {key for key, s in truth.items() if key.server == server and request in [r.id for r in s.requests]}
            assert set(table.asking(RequestKey(server, request))) == asking
        for name in IDS:
            key = SessionKey(server, name)
            children = {other for other, s in truth.items() if other.server == server and s.parent == name}
            assert set(table.children(key)) == children
            assert {s.key for s in table.tree(key)} >= ({key} & truth.keys())
            assert set(table.of_id(name)) == {other for other in truth if other.session == name}


def test_a_cycle_of_parents_ends():
    table = SessionTable()
    table.put(Session("a", "s1", parent="b"))
    table.put(Session("b", "s1", parent="a"))
    assert {session.id for session in table.tree(SessionKey("s1", "a"))} == {"a", "b"}
    assert table.root_of(SessionKey("s1", "a")) in table.sessions


def test_closed_ids_are_limited_and_reopened_by_a_snapshot():
    closed = ClosedIds()
    for number in range(MOST + 1):
        closed.add("s1", f"id{number}")
    assert ("s1", "id0") not in closed
    assert ("s1", "id1") in closed
    assert ("s2", "id1") not in closed
    closed.reopen("s1", ["id1", "unknown"])
    assert ("s1", "id1") not in closed
    assert closed.of_server("s1")[0] == "id2"
    closed.forget("s1")
    assert closed.of_server("s1") == ()
