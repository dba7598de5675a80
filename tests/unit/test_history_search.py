"""Finding sessions in the history, and the timeline of one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from tray.core.history import (
    Annotation,
    HistoryRecord,
    RequestRecord,
    SessionRecord,
    SessionsRemoved,
    StepRecord,
    TurnOutcome,
    TurnRecord,
)
from tray.core.servers import AgentKind
from tray.storage.history.database import open_history
from tray.storage.history.recorder import Recorder
from tray.storage.history.search import PAGE, Choices, Hit, SessionQuery, choices, find_session, find_sessions
from tray.storage.history.timeline import AskedRequest, Turn, timeline

DAY = 20_000
RECORDS: tuple[HistoryRecord, ...] = (
    SessionRecord("shop", host="desk", directory="/p/shop", title="Refund flow", created=1_000),
    SessionRecord("child", parent="shop", host="desk", directory="/p/shop", title="Look for callers"),
    SessionRecord("web", AgentKind.CLAUDE, host="laptop", directory="/p/web", title="Dunkle Oberfläche", created=2_000),
    SessionRecord("gone", host="desk", directory="/p/shop", title="Old refund", created=500, is_deleted=True),
    TurnRecord("shop", 1_100, 1_900, DAY, id="msg_1", prompt="Please fix the partial refund", reply="12 tests pass"),
    TurnRecord("shop", 2_100, 2_900, DAY, TurnOutcome.ABORTED, "msg_2", prompt="日本語のテストを書いて"),
    RequestRecord("per_1", "child", "permission", "bash", 'grep -rn "refund(" src', 1_200, 1_700, "once", "page"),
    StepRecord("step_1", "shop", 1_300, DAY, reported=700),
    StepRecord("step_2", "child", 1_800, DAY, reported=300),
    StepRecord("step_3", "shop", 2_500, DAY, estimated=50),
)  # fmt: skip


@pytest.fixture
def history(tmp_path: Path) -> Path:
    store(tmp_path / "history.db", RECORDS)
    return tmp_path / "history.db"


def store(path: Path, records: Iterable[HistoryRecord]) -> None:
    connection, _ = open_history(path)
    with closing(connection):
        Recorder(connection).store(records)


def found(path: Path, text: str = "", **fields: object) -> list[str]:
    return [session.id for session in find_sessions(path, SessionQuery(text, **fields))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["shop", "web", "gone"]),
        ("refund", ["shop", "gone"]),
        ("REFUND partial", ["shop"]),
        ("refund dark", []),  # in two texts
        ("callers", ["shop"]),  # of a subagent
        ('"refund("', ["shop"]),
        ("tests pass", ["shop"]),
        ("12", ["shop"]),  # too short for the index
        ("テスト", ["shop"]),
        ("日本", ["shop"]),
        ("oberfläche", ["web"]),
        ("AND", []),
        ("* -title:x ^", []),
        ("%", []),
        ("_", []),
        ("!", []),
        ("\0abc", []),
        ("12 tests", ["shop"]),
    ],
)
def test_a_session_is_found_by_the_words_of_its_texts(history: Path, text: str, expected: list[str]) -> None:
    assert found(history, text) == expected


def test_a_hit_is_shown_with_its_text_and_the_sums_of_the_tree(history: Path) -> None:
    (session,) = find_sessions(history, SessionQuery("partial"))
    assert session.hits == (Hit("prompt", 1_100, "Please fix the partial refund"),)
    assert (session.touched, session.reported, session.estimated) == (2_900, 1_000, 50)


def test_sessions_are_filtered(history: Path) -> None:
    store(history, [Annotation("web", 5, pinned=True, tags=("ui", "later"))])
    assert found(history, project="/p/shop") == ["shop", "gone"]
    assert found(history, host="laptop") == ["web"]
    assert found(history, program="claude") == ["web"]
    assert found(history, tag="later") == ["web"]
    assert found(history, pinned=True) == ["web"]
    assert found(history, "refund", host="laptop") == []
    assert choices(history) == Choices(("/p/shop", "/p/web"), ("later", "ui"))


def test_pages_follow_each_other_without_gaps(tmp_path: Path) -> None:
    path, count = tmp_path / "history.db", 2 * PAGE + 3
    store(
        path, [SessionRecord(f"ses_{n:03}", host="desk", title="Same title", created=1 + n // 4) for n in range(count)]
    )
    for text in ("", "same"):
        seen: list[str] = []
        after = None
        while page := find_sessions(path, SessionQuery(text, after=after)):
            seen += [session.id for session in page]
            after = page[-1].position
        assert sorted(seen, reverse=True) == sorted({f"ses_{n:03}" for n in range(count)}, reverse=True)
        assert len(seen) == count


def test_no_session_is_lost_among_many_texts_with_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    sessions = [SessionRecord(f"ses_{n}", host="desk", directory=f"/p/{n}", title="T", created=9 - n) for n in range(3)]
    turns = [TurnRecord("ses_2", n, n + 1, DAY, id=f"msg_{n}", prompt=f"the same {n}") for n in range(2_000)]
    store(path, [*sessions, *(TurnRecord(f"ses_{n}", 1, 2, DAY, id="msg", prompt="the same") for n in (0, 1)), *turns])
    assert sorted(found(path, "same the")) == ["ses_0", "ses_1", "ses_2"]
    assert found(path, "same", project="/p/0") == ["ses_0"]
    assert [len(session.hits) for session in find_sessions(path, SessionQuery("the same"))] == [3, 1, 1]


def test_an_annotation_changes_only_what_it_names(history: Path) -> None:
    store(history, [Annotation("shop", 5, note="Ask **Kim** about rounding", tags=("money",))])
    store(history, [Annotation("shop", 6, pinned=True)])
    session = find_session(history, "shop")
    assert session is not None
    assert (session.note, session.tags, session.is_pinned) == ("Ask **Kim** about rounding", ("money",), True)
    assert found(history, "rounding") == ["shop"]
    store(history, [Annotation("shop", 7, note="", tags=(), pinned=False)])
    session = find_session(history, "shop")
    assert session is not None
    assert (session.note, session.tags, session.is_pinned) == ("", (), False)
    assert found(history, "rounding") == []


def test_a_new_title_replaces_the_old_one_in_the_index(history: Path) -> None:
    store(history, [SessionRecord("web", AgentKind.CLAUDE, title="Dark mode")])
    assert found(history, "dunkle") == []
    assert found(history, "dark mode") == ["web"]


def test_a_removed_session_is_not_found_and_stays_so(history: Path) -> None:
    store(history, [Annotation("shop", 5, note="a note", pinned=True, tags=("money",))])
    store(history, [SessionsRemoved(("shop",), with_steps=False)])
    store(history, [*RECORDS, Annotation("shop", 6, note="again", pinned=True)])
    assert find_session(history, "shop") is None
    assert [found(history, text) for text in ("partial", "callers", "grep", "note", "again")] == [[]] * 5
    assert found(history) == ["web", "gone"]
    assert choices(history).tags == ()


def test_a_timeline_has_the_turns_with_their_usage_and_the_requests_of_the_tree(history: Path) -> None:
    found = timeline(history, "shop")
    assert found.turns == (
        Turn(1_100, 1_900, "completed", "Please fix the partial refund", "12 tests pass", 2, 1_000, 0),
        Turn(2_100, 2_900, "aborted", "日本語のテストを書いて", "", 1, 0, 50),
    )
    expected = AskedRequest("child", "permission", "bash", 'grep -rn "refund(" src', 1_200, 1_700, "once", "page")
    assert found.requests == (expected,)
    assert timeline(history, "unknown") == replace(found, turns=(), requests=())


def test_a_history_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    assert find_sessions(path, SessionQuery("x")) == []
    assert find_session(path, "x") is None
    assert choices(path) == Choices()
