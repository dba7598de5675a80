"""Questions about usage that the daily sums and the counts of durations answer. Nothing here reads single steps.

All functions raise sqlite3.Error. A history that does not exist is empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from tray.core.budgets import KINDS, RECENT_DAYS, forecast
from tray.storage.history.selection import Selection
from tray.storage.history.stored_rows import BUCKETS_PER_DECADE
from tray.storage.history.usage import GROUPS, UsageSums, open_for_reading

MAX_GROUPS = 8  # of a series; the rest is summed
HEAT_DAYS = 365
TOKENS = "input + output + reasoning + cache_write"
METRICS = {
    "tokens": TOKENS, "reported": "reported", "estimated": "estimated", "steps": "steps", "time": "duration",
}  # fmt: skip
TOKEN_KINDS = ("input", "output", "reasoning", "cache_read", "cache_write")
HOUR = 3_600_000  # ms
SERIES = ("model", "project", "agent", "program", "host")

_SUMS = ", ".join(f"SUM(daily.{name})" for name in UsageSums.__struct_fields__[1:])


class Series(msgspec.Struct, frozen=True):
    """The usage of a group, and its metric on each day of the selection, or in each hour."""

    sums: UsageSums
    values: list[int]
    merged: int = 0  # groups that this one sums; 0: it is one group


class HeatDay(msgspec.Struct, frozen=True):
    """One day of the heat map."""

    day: int
    turns: int = 0
    steps: int = 0
    tokens: int = 0
    reported: int = 0  # micro-dollars
    estimated: int = 0  # micro-dollars


class ModelTime(msgspec.Struct, frozen=True):
    """How long responses of a model took, in ms, within 12 %."""

    model: str
    steps: int
    p50: int
    p90: int


class TimeSpan(msgspec.Struct, frozen=True):
    """How long responses took in some days, in ms, within 12 %."""

    first: int
    last: int
    steps: int
    p50: int
    p90: int


class Forecast(msgspec.Struct, frozen=True):
    """What a kind of money is now, and will be at the end of a period, in micro-dollars."""

    spent: int = 0
    expected: int = 0


def rows(path: Path, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query; none if there is no history."""
    return list(each_row(path, query, parameters))


def each_row(path: Path, query: str, parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query; none if there is no history. Use it where a long history has many."""
    connection = open_for_reading(path)
    if connection is not None:
        with closing(connection):
            yield from connection.execute(query, parameters)


def sums_of(path: Path, selection: Selection) -> UsageSums:
    """Return the usage of a selection."""
    query = f"SELECT '', {_SUMS} FROM daily WHERE {selection.daily} HAVING COUNT(*)"
    return next((UsageSums(*row) for row in rows(path, query, selection.parameters)), UsageSums(""))


def series(path: Path, selection: Selection, group: str, metric: str, hours: int = 0) -> list[Series]:
    """Return the groups with the most of a metric, largest first; those after MAX_GROUPS as one.

    `hours` is the number of hours of the day that the selection is: the values are then those of its hours, as far as
    its steps have not been removed. 0: the values are those of the days.
    """
    column, join = GROUPS[group]
    name = "place" if group in ("project", "host") else "kind" if group == "program" else group
    source = _hours_of(selection, hours) if hours else f"daily WHERE {selection.daily}"
    sums = ", ".join(f"SUM({field}) AS {field}" for field in UsageSums.__struct_fields__[1:])
    query = f"""SELECT {column}, {", ".join(f"daily.{field}" for field in UsageSums.__struct_fields__[1:])}, daily.day,
        {METRICS[metric]} FROM (SELECT day, {name}, {sums} FROM {source} GROUP BY day, {name}) AS daily {join}"""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows(path, query, selection.parameters):
        found[row[0]].append(row)
    first, length = (0, hours) if hours else (selection.first, selection.last - selection.first + 1)
    groups = [_series(name, of_group, first, length) for name, of_group in found.items()]
    groups.sort(key=lambda each: (-sum(each.values), -each.sums.tokens, str(each.sums.group)))
    if len(groups) <= MAX_GROUPS + 1:
        return groups
    rest = groups[MAX_GROUPS:]
    values = [sum(day) for day in zip(*(each.values for each in rest), strict=True)]
    return [*groups[:MAX_GROUPS], Series(_added("", (_numbers(each.sums) for each in rest)), values, len(rest))]


def _hours_of(selection: Selection, hours: int) -> str:
    """Return a query of the steps of a day in the form of `daily`, with the hour as the day."""
    return f"""(SELECT min(max((ended - :begin) / {HOUR}, 0), {hours - 1}) AS day, session.place AS place,
        session.kind AS kind, step.model AS model, step.agent AS agent, 1 AS steps, {", ".join(TOKEN_KINDS)},
        IFNULL(reported, 0) AS reported, IFNULL(estimated, 0) AS estimated,
        reported IS NULL AND estimated IS NULL AS unpriced,
        CASE step.created WHEN 0 THEN 0 ELSE max(0, ended - step.created) END AS duration
        FROM step JOIN session ON session.id = step.session JOIN model ON model.id = step.model
        WHERE {selection.steps})"""


def token_kinds(path: Path, selection: Selection) -> dict[str, list[int]]:
    """Return the number of tokens of each kind on each day of a selection."""
    found = {kind: [0] * (selection.last - selection.first + 1) for kind in TOKEN_KINDS}
    sums = ", ".join(f"SUM({kind})" for kind in TOKEN_KINDS)
    query = f"SELECT day, {sums} FROM daily WHERE {selection.daily} GROUP BY day"
    for day, *counts in rows(path, query, selection.parameters):
        for kind, count in zip(TOKEN_KINDS, counts, strict=True):
            found[kind][day - selection.first] = count
    return found


def _series(name: str, of_group: Sequence[tuple[Any, ...]], first: int, length: int) -> Series:
    values = [0] * length
    for row in of_group:
        values[row[-2] - first] += row[-1]
    return Series(_added(name, (row[1:-2] for row in of_group)), values)


def _added(name: str, numbers: Iterable[Sequence[int]]) -> UsageSums:
    return UsageSums(name, *map(sum, zip(*numbers, strict=True)))


def _numbers(sums: UsageSums) -> Sequence[int]:
    return msgspec.structs.astuple(sums)[1:]


def heat_map(path: Path, selection: Selection) -> list[HeatDay]:
    """Return the days with usage among the HEAT_DAYS up to the last day of a selection. Turns have no model."""
    chosen = msgspec.structs.replace(selection, first=selection.last - HEAT_DAYS + 1)
    query = f"""SELECT day, SUM(steps), SUM({TOKENS}), SUM(reported), SUM(estimated) FROM daily
        WHERE {chosen.daily} GROUP BY day"""
    days = {row[0]: HeatDay(row[0], 0, *row[1:]) for row in rows(path, query, chosen.parameters)}
    if selection.model is None:
        where = chosen.turns if chosen.is_of_place else "turn WHERE day BETWEEN :first AND :last"  # by its index alone
        for day, turns in rows(path, f"SELECT turn.day, COUNT(*) FROM {where} GROUP BY 1", chosen.parameters):
            days[day] = msgspec.structs.replace(days.get(day, HeatDay(day)), turns=turns)
    return sorted(days.values(), key=lambda each: each.day)


def model_times(path: Path, selection: Selection) -> list[ModelTime] | None:
    """Return the times of each model, the most used first; None for a part of which they are not known."""
    if selection.is_of_place:
        return None
    query = """SELECT name, bucket, SUM(steps) FROM latency JOIN model ON model.id = latency.model
        WHERE day BETWEEN :first AND :last AND (:model IS NULL OR name = :model)
        GROUP BY name, bucket ORDER BY bucket"""
    buckets: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name, bucket, steps in rows(path, query, selection.parameters):
        buckets[name].append((bucket, steps))
    found = [
        ModelTime(name, sum(n for _, n in counts), _percentile(counts, 0.5), _percentile(counts, 0.9))
        for name, counts in buckets.items()
    ]
    return sorted(found, key=lambda each: (-each.steps, each.model))


def times_of_days(path: Path, selection: Selection, span: Callable[[int], tuple[int, int]]) -> list[TimeSpan] | None:
    """Return the times of all steps in the spans of days that `span` returns for a day, the oldest first.

    Days without steps are left out. None for a part of which the times are not known.
    """
    if selection.is_of_place:
        return None
    query = """SELECT day, bucket, SUM(steps) FROM latency JOIN model ON model.id = latency.model
        WHERE day BETWEEN :first AND :last AND (:model IS NULL OR name = :model) GROUP BY day, bucket"""
    buckets: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for day, bucket, steps in rows(path, query, selection.parameters):
        buckets[span(day)][bucket] += steps
    found = []
    for (first, last), counted in sorted(buckets.items()):
        counts = sorted(counted.items())
        found.append(TimeSpan(first, last, counted.total(), _percentile(counts, 0.5), _percentile(counts, 0.9)))
    return found


def _percentile(counts: Sequence[tuple[int, int]], share: float) -> int:
    """Return the duration in ms below or at which this share of the steps is. `counts` are buckets, lowest first."""
    left = share * sum(steps for _, steps in counts)
    for bucket, steps in counts:
        left -= steps
        if left <= 0:
            return round(10 ** (bucket / BUCKETS_PER_DECADE))
    return 0


def forecasts(path: Path, selection: Selection, today: int) -> dict[str, Forecast]:
    """Return the forecast of each kind of money for the end of the period that a selection is; today is in it."""
    chosen = msgspec.structs.replace(selection, first=min(selection.first, today - RECENT_DAYS), last=today)
    query = f"SELECT day, SUM(reported), SUM(estimated) FROM daily WHERE {chosen.daily} GROUP BY day"
    by_day = {day: amounts for day, *amounts in rows(path, query, chosen.parameters)}
    found = {}
    for number, kind in enumerate(KINDS):
        spent = sum(amounts[number] for day, amounts in by_day.items() if day >= selection.first)
        recent = [by_day.get(today - ago, (0, 0))[number] for ago in range(1, RECENT_DAYS + 1)]
        found[kind] = Forecast(spent, forecast(spent, recent, selection.last - today))
    return found
