"""`usage`: what was used in some days, from the history. It works while no tray is running."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
from datetime import date
from typing import Any

from rich.table import Table
from rich.text import Text

from tray.cli import wide_console
from tray.cli.exit_codes import OK
from tray.core.errors import UserError
from tray.core.text import amount, clean, counted, money
from tray.storage.history.usage import UsageSums, active_roots, plain, usage
from tray.system.local_day import date_of, number_of, period_of
from tray.system.paths import Paths

COLUMNS = ("STEPS", "TOKENS", "CACHE READ", "CACHE HIT", "REPORTED", "ESTIMATED")
UNKNOWN = "(unknown)"


class PeriodError(UserError):
    """The days are not valid."""

    is_usage = True


class HistoryUnreadableError(UserError):
    """The history cannot be read now."""


def show_usage(options: argparse.Namespace) -> int:
    """Print the usage of a period. Raises UserError."""
    today = number_of(date.today())  # noqa: DTZ011  # local by intent
    days = period(options, today)
    path = Paths.of(os.environ).history
    try:
        groups = usage(path, *days, options.by or "")
        (total,) = usage(path, *days) or [UsageSums("")]
        sessions = active_roots(path, *days)
    except sqlite3.Error as error:
        raise HistoryUnreadableError(f"cannot read the history {path}: {error}; try again") from error
    groups.sort(key=lambda sums: sums.group if options.by == "day" else -sums.tokens)
    if options.json:
        report = {
            "from": date_of(days[0]).isoformat(),
            "to": date_of(days[1]).isoformat(),
            "sessions": sessions,
            "total": _plain(total, ""),
        }
        if options.by:
            report["by"] = options.by
            report["groups"] = [_plain(sums, options.by) for sums in groups]
        print(json.dumps(report))
    else:
        _print(options.by, days, sessions, groups, total)
    return OK


def period(options: argparse.Namespace, today: int) -> tuple[int, int]:
    """Return the first and the last day, in days since 1970-01-01. Raises PeriodError."""
    if (options.first or options.last) and options.period != "today":
        raise PeriodError(f"{options.period} cannot be combined with --from and --to")
    if options.last and not options.first:
        raise PeriodError("--to needs --from")
    first = number_of(options.first) if options.first else period_of(options.period, today)[0]
    last = number_of(options.last) if options.last else today
    if first > last:
        raise PeriodError(f"--from {date_of(first)} is after {date_of(last)}")
    return first, last


def _print(by: str | None, days: tuple[int, int], sessions: int, groups: list[UsageSums], total: UsageSums) -> None:
    first, last = map(date_of, days)
    period_name = str(first) if first == last else f"{first} to {last}"
    if not total.steps:
        print(f"No usage is recorded for {period_name}")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column((by or "").upper(), no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for sums in groups if by else ():
        table.add_row(*map(Text, (_name(sums, by or ""), *_cells(sums))))
    label = f"{period_name}, {counted(sessions, 'session', 'sessions')}"
    table.add_row(*map(Text, (label, *_cells(total))))
    wide_console.console().print(table)
    if total.unpriced:
        print(f"The cost of {total.unpriced} of {counted(total.steps, 'step', 'steps')} is not known: no price")


def _cells(sums: UsageSums) -> tuple[str, ...]:
    return (
        str(sums.steps),
        amount(sums.tokens),
        amount(sums.cache_read),
        f"{sums.cache_hit:.0%}",
        money(sums.reported),
        money(sums.estimated),
    )


def _name(sums: UsageSums, by: str) -> str:
    if by == "day":
        return date_of(int(sums.group)).isoformat()
    return clean(str(sums.group)) or UNKNOWN


def _plain(sums: UsageSums, by: str) -> dict[str, Any]:
    """Return the JSON values of a group."""
    return {**({by: _name(sums, by)} if by else {}), **plain(sums)}
