"""HTTP routes for usage data: sums, series, maps, times, sessions, the forecast, and the export."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tray.core.devices import Device
from tray.core.text import clean
from tray.storage.history import activity, analytics
from tray.storage.history.selection import Selection
from tray.storage.history.usage import plain
from tray.surfaces.page.history_reading import read_in_thread, unreadable
from tray.surfaces.page.usage_export import send_steps
from tray.system.local_day import date_of, hours_of, number_of, period_of

MAX_DAYS = 3660  # of a period
FILTERS = ("project", "model", "program", "host")
UNKNOWN = "(unknown)"
KIND = "kind"
KIND_NAMES = {
    "input": "Input", "output": "Output", "reasoning": "Reasoning", "cache_read": "From the cache",
    "cache_write": "To the cache",
}  # fmt: skip
SCALES = {"reported": 1_000_000, "estimated": 1_000_000, "time": 1000}  # of a metric: what is sent for 1
MAX_SINGLE_DAYS = 62  # in the times of responses; more are put together

Work = Callable[[web.Request, Device], Awaitable[Any]]
Read = Callable[[Path, Selection, web.Request], Any]


class UsageRoutes:
    """Reads the history in threads. Invalid parameters raise HTTPBadRequest."""

    def __init__(self, path: Path, today: Callable[[], int]) -> None:
        """`path` is the history; `today` returns the local date in days since 1970-01-01."""
        self._path = path
        self._today = today
        self._exporting = asyncio.Lock()
        reads: dict[str, Read] = {
            "series": _series,
            "heatmap": _heat_map,
            "hours": _hours,
            "times": _times,
            "sessions": _sessions,
            "files": _files,
        }
        self.calls: dict[str, Work] = {f"/api/usage/{name}": self._reading(read) for name, read in reads.items()}
        self.calls["/api/usage/summary"] = self._summary
        self.calls["/api/usage/forecast"] = self._forecast
        self.calls["/api/export.csv"] = self.calls["/api/export.json"] = self._export

    def _reading(self, read: Read) -> Work:
        """Return a call that reads in a thread."""

        async def work(request: web.Request, _: Device) -> Any:
            chosen = selection(request, self._today())
            return await read_in_thread(lambda: {**_period(chosen), **read(self._path, chosen, request)})

        return work

    async def _summary(self, request: web.Request, _: Device) -> Any:
        chosen, path = selection(request, self._today()), self._path
        sums, sessions, turns, waits = await asyncio.gather(
            read_in_thread(lambda: analytics.sums_of(path, chosen)),
            read_in_thread(lambda: activity.active_sessions(path, chosen)),
            read_in_thread(lambda: activity.outcomes(path, chosen)),
            read_in_thread(lambda: activity.waits(path, chosen)),
        )
        return {**_period(chosen), "sessions": sessions, "total": plain(sums), "turns": turns, "waits": waits}

    async def _forecast(self, request: web.Request, _: Device) -> Any:
        """Return the forecast for this month, whatever the period is."""
        today = self._today()
        first, last = period_of("month", today)
        chosen = msgspec.structs.replace(selection(request, today), first=first, last=last)
        found = await read_in_thread(lambda: analytics.forecasts(self._path, chosen, today))
        money = {kind: {"spent": one.spent / 1e6, "expected": one.expected / 1e6} for kind, one in found.items()}
        return {**_period(chosen), "today": date_of(today).isoformat(), **money}

    async def _export(self, request: web.Request, _: Device) -> web.StreamResponse:
        """Send the steps of a selection, as they are read: CSV, or one JSON object for each line."""
        chosen = selection(request, self._today())
        if self._exporting.locked():
            raise web.HTTPTooManyRequests(text="another export is being sent; try again when it has ended")
        try:
            async with self._exporting:
                return await send_steps(request, self._path, chosen, as_csv=request.path.endswith(".csv"))
        except sqlite3.Error as error:
            raise unreadable(error) from error


# ---------------------------------------------------------------------- parameters


def selection(request: web.Request, today: int) -> Selection:
    """Return the days and filters of a request; without days, today. Raises HTTPBadRequest."""
    query = request.query
    first, last = _day(query.get("from"), today), _day(query.get("to"), today)
    if first > last:
        raise web.HTTPBadRequest(text=f"from {date_of(first)} is after {date_of(last)}")
    if last - first >= MAX_DAYS:
        raise web.HTTPBadRequest(text=f"a period may have {MAX_DAYS} days")
    return Selection(first, last, *(query.get(name) for name in FILTERS))


def _day(text: str | None, default: int) -> int:
    try:
        return default if text is None else number_of(date.fromisoformat(text))
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{clean(text or '')[:40]!r} is not a day such as 2026-11-30") from error


def _one_of(request: web.Request, name: str, choices: Iterable[str]) -> str:
    """Return the value of a parameter; without it, the first choice. Raises HTTPBadRequest."""
    names = list(choices)
    value = request.query.get(name, names[0])
    if value not in names:
        raise web.HTTPBadRequest(text=f"{name} must be one of: {', '.join(names)}")
    return value


def _hour(request: web.Request) -> tuple[int, int] | None:
    """Return weekday (0: Monday) and hour of the parameter `hour`, such as "0-14". Raises HTTPBadRequest."""
    if (text := request.query.get("hour")) is None:
        return None
    weekday, _, hour = text.partition("-")
    if not (text.isascii() and weekday.isdecimal() and hour.isdecimal() and int(weekday) < 7 and int(hour) < 24):
        raise web.HTTPBadRequest(text="hour must be a weekday and an hour such as 0-14 (Monday, 14:00)")
    return int(weekday), int(hour)


# ---------------------------------------------------------------------- answers


def _period(chosen: Selection) -> dict[str, str]:
    return {"from": date_of(chosen.first).isoformat(), "to": date_of(chosen.last).isoformat()}


def _series(path: Path, chosen: Selection, request: web.Request) -> dict[str, Any]:
    by = _one_of(request, "by", (*analytics.SERIES, KIND))
    metric = _one_of(request, "metric", analytics.METRICS)
    if by == KIND:
        return {"by": by, "metric": "tokens", "hours": None, "groups": _token_kinds(path, chosen)}
    scale = SCALES.get(metric, 1)
    hours = hours_of(chosen.first) if chosen.first == chosen.last else []
    groups = [
        {
            by: None if each.merged else each.sums.group,
            "name": f"{each.merged} others" if each.merged else clean(str(each.sums.group)) or UNKNOWN,
            **plain(each.sums),
            "values": [value / scale if scale > 1 else value for value in each.values],
        }
        for each in analytics.series(path, chosen, by, metric, len(hours))
    ]
    return {"by": by, "metric": metric, "hours": hours or None, "groups": groups}


def _token_kinds(path: Path, chosen: Selection) -> list[dict[str, Any]]:
    """Return the kinds of tokens as groups."""
    kinds = analytics.token_kinds(path, chosen)
    groups = [{KIND: kind, "name": KIND_NAMES[kind], "tokens": sum(v), "values": v} for kind, v in kinds.items()]
    return [group for group in groups if group["tokens"]]


def _heat_map(path: Path, chosen: Selection, _: web.Request) -> dict[str, Any]:
    days = [
        {
            "day": date_of(each.day).isoformat(),
            "turns": each.turns,
            "steps": each.steps,
            "tokens": each.tokens,
            "reported": each.reported / 1_000_000,
            "estimated": each.estimated / 1_000_000,
        }
        for each in analytics.heat_map(path, chosen)
    ]
    return {"activity": "turns" if any(day["turns"] for day in days) else "steps", "days": days}


def _hours(path: Path, chosen: Selection, _: web.Request) -> dict[str, Any]:
    return {"hours": activity.hours(path, chosen)}


def _files(path: Path, chosen: Selection, _: web.Request) -> dict[str, Any]:
    found = activity.file_kinds(path, chosen)
    return {"files": [msgspec.structs.asdict(each) for each in found] if found is not None else None}


def _times(path: Path, chosen: Selection, _: web.Request) -> dict[str, Any]:
    found = analytics.model_times(path, chosen)
    spans = analytics.times_of_days(path, chosen, _span(chosen))
    if found is None or spans is None:
        return {"models": None, "spans": None}
    models = [{**msgspec.structs.asdict(each), "name": clean(each.model) or UNKNOWN} for each in found]
    days = [{"from": date_of(each.first).isoformat(), "to": date_of(each.last).isoformat()} for each in spans]
    numbers = [{"steps": each.steps, "p50": each.p50, "p90": each.p90} for each in spans]
    return {"models": models, "spans": [{**day, **number} for day, number in zip(days, numbers, strict=True)]}


def _span(chosen: Selection) -> Callable[[int], tuple[int, int]]:
    """Return which days of a selection are put together: single days, weeks from Monday, or months."""
    length = chosen.last - chosen.first + 1
    period = "week" if length <= MAX_SINGLE_DAYS * 7 else "month"

    def span(day: int) -> tuple[int, int]:
        if length <= MAX_SINGLE_DAYS:
            return day, day
        first, last = period_of(period, day)
        return max(first, chosen.first), min(last, chosen.last)

    return span


def _sessions(path: Path, chosen: Selection, request: web.Request) -> dict[str, Any]:
    order, hour = _one_of(request, "order", activity.ORDERS), _hour(request)
    found = activity.top_sessions(path, chosen, order, hour)
    return {"order": order, "sessions": [_session(each) for each in found]}


def _session(session: activity.TopSession) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(session),
        "title": clean(session.title),
        "is_removed": bool(session.is_removed),
        "reported": session.reported / 1_000_000,
        "estimated": session.estimated / 1_000_000,
    }
