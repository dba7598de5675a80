"""What the page asks of the history, with numbers computed by hand."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tray.core.history import (
    EditRecord,
    HistoryRecord,
    RequestRecord,
    SessionRecord,
    StepRecord,
    TurnOutcome,
    TurnRecord,
)
from tray.core.messages import Tokens
from tray.core.servers import AgentKind
from tray.storage.history import activity, analytics
from tray.storage.history.activity import FileKind, Waits
from tray.storage.history.analytics import Forecast, HeatDay, ModelTime, TimeSpan
from tray.storage.history.database import open_history
from tray.storage.history.recorder import Recorder
from tray.storage.history.selection import Selection, midnight
from tray.storage.history.usage import active_roots, usage

DAY = 20_003  # days since 1970-01-01: 2024-10-07, a Monday
HOUR = 3_600_000
BOTH = Selection(DAY, DAY + 1)


def at(hour: float, day: int = DAY) -> int:
    """Return a time of a local day in ms."""
    return midnight(day) + round(hour * HOUR)


def step(number: int, session: str, hour: float, day: int = DAY, **fields: object) -> StepRecord:
    ended = at(hour, day)
    defaults = {"ended": ended, "day": day, "created": ended - 1000, "model": "p/m", "tokens": Tokens(10, 5, 1, 84, 6)}
    return StepRecord(f"msg_{number}", session, **{**defaults, **fields})  # type: ignore[arg-type]


def request(
    number: int, session: str, asked: float, closed: float, verdict: str = "once", surface: str = ""
) -> RequestRecord:
    return RequestRecord(f"per_{number}", session, "permission", "bash", "ls", at(asked), at(closed), verdict, surface)


RECORDS: tuple[HistoryRecord, ...] = (
    SessionRecord("root", host="desk", directory="/p", title="Fix it"),
    SessionRecord("child", parent="root", host="desk", directory="/p", title="Look"),
    SessionRecord("claude", AgentKind.CLAUDE, host="desk", directory="/q", title="Plan"),
    step(1, "root", 9.5, reported=3_570, agent="build"),
    step(2, "child", 9.6, reported=1_000, agent="explore"),
    step(3, "root", 14.2, model="p/large", estimated=2_000, agent="build"),
    step(4, "claude", 8.1, DAY + 1, model="p/large", created=at(8.1, DAY + 1) - 10_000),
    step(5, "root", 9.7, inherited=True, reported=9_000_000),
    TurnRecord("root", at(9), at(10), DAY),
    TurnRecord("root", at(14), at(15), DAY, TurnOutcome.ABORTED),
    TurnRecord("claude", at(8, DAY + 1), at(9, DAY + 1), DAY + 1, TurnOutcome.FAILED),
    request(1, "root", 9.1, 9.2),
    request(2, "child", 9.15, 9.4, "", "menu"),  # 0.05 h of it at the same time as the one before
    request(3, "root", 14.5, 16, ""),  # not answered; the turn ended at 15
    request(4, "root", 14.1, 14.1 + 1 / 3600),
)  # fmt: skip


def stored(path: Path, records: Iterable[HistoryRecord]) -> Path:
    connection, _ = open_history(path)
    with closing(connection):
        Recorder(connection).store(records)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return stored(tmp_path / "history.db", RECORDS)


def test_the_sums_are_those_of_usage(path: Path) -> None:
    assert [analytics.sums_of(path, BOTH)] == usage(path, DAY, DAY + 1)
    sums = analytics.sums_of(path, BOTH)
    assert (sums.steps, sums.tokens, sums.cache_read, sums.unpriced) == (4, 4 * 22, 4 * 84, 1)
    assert (sums.reported, sums.estimated, sums.cache_hit) == (4_570, 2_000, 0.84)
    assert analytics.sums_of(path, Selection(DAY, DAY, model="p/large")).steps == 1
    assert analytics.sums_of(path, Selection(DAY, DAY + 1, program="claude")).steps == 1
    assert analytics.sums_of(path, Selection(DAY, DAY + 1, project="/p", host="desk")).steps == 3
    assert analytics.sums_of(path, Selection(DAY, DAY + 1, host="other")).steps == 0


def test_sessions_are_counted_as_usage_counts_them(path: Path) -> None:
    for first, last in ((DAY, DAY), (DAY + 1, DAY + 1), (DAY, DAY + 1), (DAY + 2, DAY + 9)):
        assert activity.active_sessions(path, Selection(first, last)) == active_roots(path, first, last)
    assert activity.active_sessions(path, Selection(DAY, DAY + 1, model="p/large")) == 2
    assert activity.active_sessions(path, Selection(DAY, DAY + 1, project="/q")) == 1


def test_turns_are_counted_by_how_they_ended(path: Path) -> None:
    assert activity.outcomes(path, BOTH) == {"completed": 1, "aborted": 1, "failed": 1}
    assert activity.outcomes(path, Selection(DAY, DAY)) == {"completed": 1, "aborted": 1, "failed": 0}
    assert activity.outcomes(path, Selection(DAY, DAY + 99, project="/q")) == {
        "completed": 0, "aborted": 0, "failed": 1,
    }  # fmt: skip
    assert activity.outcomes(path, Selection(DAY, DAY, model="p/m")) is None


def test_waiting_counts_once_and_only_within_turns(path: Path) -> None:
    found = activity.waits(path, BOTH)
    assert found is not None
    assert (found.answers, found.answer_time) == (3, HOUR // 10)  # of 1 s, 0.1 h and 0.25 h
    assert found.waited == round(0.3 * HOUR) + round(0.5 * HOUR) + 1000  # 9.1 to 9.4, 14.5 to 15, and 1 s
    assert activity.waits(path, Selection(DAY + 1, DAY + 1)) == Waits(0, None, 0)
    assert activity.waits(path, Selection(DAY, DAY, model="p/m")) is None


def test_a_request_after_the_end_of_the_turn_waited_in_none(tmp_path: Path) -> None:
    turn = TurnRecord("root", at(14), at(15), DAY)
    requests = request(1, "root", 14, 14.2), request(2, "root", 15.5, 15.6)
    path = stored(tmp_path / "history.db", (SessionRecord("root"), turn, *requests))
    found = activity.waits(path, BOTH)
    assert found is not None
    assert (found.answers, found.waited) == (2, round(0.2 * HOUR))


def test_a_series_has_a_value_for_each_day_and_the_largest_group_first(path: Path) -> None:
    large, small = analytics.series(path, BOTH, "model", "estimated")
    assert (large.sums.group, large.values, large.sums.steps) == ("p/large", [2_000, 0], 2)
    assert (small.sums.group, small.values, small.sums.reported) == ("p/m", [0, 0], 4_570)
    tokens = {each.sums.group: each.values for each in analytics.series(path, BOTH, "project", "tokens")}
    assert tokens == {"/p": [66, 0], "/q": [0, 22]}
    assert [each.sums.group for each in analytics.series(path, BOTH, "program", "steps")] == ["opencode", "claude"]


def test_the_time_of_models_is_summed_by_group(path: Path) -> None:
    assert analytics.sums_of(path, BOTH).duration == 3 * 1000 + 10_000
    times = {each.sums.group: each.values for each in analytics.series(path, BOTH, "model", "time")}
    assert times == {"p/large": [1000, 10_000], "p/m": [2000, 0]}


def test_a_series_of_one_day_has_a_value_for_each_hour(path: Path) -> None:
    found = {each.sums.group: each for each in analytics.series(path, Selection(DAY, DAY), "model", "steps", 24)}
    hours = {group: {hour: n for hour, n in enumerate(each.values) if n} for group, each in found.items()}
    assert hours == {"p/m": {9: 2}, "p/large": {14: 1}}
    assert sum(each.sums.tokens for each in found.values()) == analytics.sums_of(path, Selection(DAY, DAY)).tokens
    of_project = analytics.series(path, Selection(DAY, DAY, project="/q"), "program", "tokens", 24)
    assert of_project == []
    (of_model,) = analytics.series(path, Selection(DAY, DAY, model="p/large"), "host", "estimated", 24)
    assert (of_model.sums.group, sum(of_model.values)) == ("desk", 2_000)


def test_tokens_are_counted_by_kind(path: Path) -> None:
    assert analytics.token_kinds(path, BOTH) == {
        "input": [30, 10], "output": [15, 5], "reasoning": [3, 1], "cache_read": [252, 84], "cache_write": [18, 6],
    }  # fmt: skip


def test_times_are_known_by_day_or_by_spans_of_days(path: Path) -> None:
    days = analytics.times_of_days(path, BOTH, lambda day: (day, day))
    assert days == [TimeSpan(DAY, DAY, 3, 1000, 1000), TimeSpan(DAY + 1, DAY + 1, 1, 10_000, 10_000)]
    both = analytics.times_of_days(path, BOTH, lambda _: (DAY, DAY + 1))
    assert both == [TimeSpan(DAY, DAY + 1, 4, 1000, 10_000)]
    assert analytics.times_of_days(path, Selection(DAY, DAY, project="/p"), lambda day: (day, day)) is None


def test_files_are_counted_by_extension(path: Path) -> None:
    edits = [(".py", "root"), (".py", "child"), (".md", "claude"), ("", "root")]
    records = [EditRecord(f"call_{n}", each[1], at(9), DAY, each[0], 3, n) for n, each in enumerate(edits)]
    stored(path, [*records, EditRecord("call_9", "root", at(9), DAY - 1, ".py", 1, 1)])
    assert activity.file_kinds(path, BOTH) == [
        FileKind(".py", 2, 6, 1),
        FileKind("", 1, 3, 3),
        FileKind(".md", 1, 3, 2),
    ]
    assert activity.file_kinds(path, Selection(DAY, DAY, program="claude")) == [FileKind(".md", 1, 3, 2)]
    assert activity.file_kinds(path, Selection(DAY, DAY, model="p/m")) is None


def test_groups_after_the_eighth_are_one(tmp_path: Path) -> None:
    path = stored(tmp_path / "many.db", [step(n, "root", 1, model=f"m{n:02}", reported=100 - n) for n in range(12)])
    found = analytics.series(path, BOTH, "model", "reported")
    assert [each.sums.group for each in found] == [*(f"m{n:02}" for n in range(8)), ""]
    assert (found[-1].merged, found[-1].sums.steps) == (4, 4)
    assert found[-1].values == [92 + 91 + 90 + 89, 0]
    assert sum(sum(each.values) for each in found) == analytics.sums_of(path, BOTH).reported


def test_the_heat_map_is_of_the_year_before_the_last_day(path: Path) -> None:
    assert analytics.heat_map(path, Selection(DAY + 1, DAY + 1)) == [
        HeatDay(DAY, 2, 3, 66, 4_570, 2_000),
        HeatDay(DAY + 1, 1, 1, 22, 0, 0),
    ]
    assert [day.day for day in analytics.heat_map(path, Selection(DAY + 365, DAY + 365))] == [DAY + 1]
    (of_model,) = analytics.heat_map(path, Selection(DAY, DAY, model="p/m"))
    assert (of_model.turns, of_model.steps) == (0, 2)


def test_turns_are_counted_by_the_local_hour_of_their_start(path: Path) -> None:
    found = activity.hours(path, BOTH)
    assert found is not None
    counted = {(day, hour): found[day][hour] for day in range(7) for hour in range(24) if found[day][hour]}
    assert counted == {(0, 9): 1, (0, 14): 1, (1, 8): 1}
    assert activity.hours(path, Selection(DAY, DAY, model="p/m")) is None


def test_times_are_within_a_bucket_of_the_real_ones(tmp_path: Path) -> None:
    steps = [step(n, "root", 1, created=at(1) - 100 * n) for n in range(1, 101)]  # 0.1 s to 10 s
    (found,) = analytics.model_times(stored(tmp_path / "times.db", steps), BOTH) or ()
    assert isinstance(found, ModelTime)
    assert (found.model, found.steps) == ("p/m", 100)
    assert found.p50 == pytest.approx(5_000, rel=0.06)
    assert found.p90 == pytest.approx(9_000, rel=0.06)
    assert analytics.model_times(tmp_path / "times.db", Selection(DAY, DAY, project="/p")) is None


def test_a_session_has_the_sums_of_its_tree(path: Path) -> None:
    newest = activity.top_sessions(path, BOTH)
    assert [each.id for each in newest] == ["claude", "root"]
    root = newest[1]
    assert (root.title, root.project, root.program, root.is_removed) == ("Fix it", "/p", "opencode", False)
    assert (root.last, root.steps, root.tokens, root.reported, root.estimated) == (
        at(15),
        3,
        66,
        4_570,
        2_000,
    )  # its last turn ended at 15
    assert [each.id for each in activity.top_sessions(path, BOTH, "cost")] == ["root", "claude"]
    assert [each.id for each in activity.top_sessions(path, Selection(DAY, DAY))] == ["root"]
    assert [each.id for each in activity.top_sessions(path, BOTH, hour=(1, 8))] == ["claude"]
    assert activity.top_sessions(path, BOTH, hour=(1, 9)) == []


def test_the_forecast_adds_the_median_of_active_days(tmp_path: Path) -> None:
    amounts = {DAY - 1: 400, DAY - 2: 100, DAY - 3: 200, DAY - 4: 900}  # on 4 of 28 days; their median is 400
    steps = [step(n, "root", 1, day, reported=amount) for n, (day, amount) in enumerate(amounts.items())]
    path = stored(tmp_path / "month.db", [*steps, step(9, "root", 1, reported=50)])
    found = analytics.forecasts(path, Selection(DAY - 2, DAY + 14), DAY)
    assert found["reported"] == Forecast(550, 550 + 400 * 14 * 4 // 28)
    assert found["estimated"] == Forecast(0, 0)


def test_without_a_history_everything_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    assert analytics.sums_of(path, BOTH).steps == 0
    assert analytics.series(path, BOTH, "model", "tokens") == analytics.heat_map(path, BOTH) == []
    assert (activity.active_sessions(path, BOTH), activity.top_sessions(path, BOTH)) == (0, [])
    assert activity.outcomes(path, BOTH) == {"completed": 0, "aborted": 0, "failed": 0}
    assert activity.waits(path, BOTH) == Waits()
    assert analytics.forecasts(path, BOTH, DAY)["reported"] == Forecast()
