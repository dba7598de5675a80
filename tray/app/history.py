"""The history: records what happens, and knows what was used today."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tray.app.budget_watch import BudgetWatch
from tray.app.history_gaps import HistoryGaps
from tray.app.paced_reading import PacedReading
from tray.app.problems import Problems
from tray.app.state import AppState
from tray.core.answers import ANSWERED
from tray.core.budgets import Budget
from tray.core.errors import UserError
from tray.core.events import Change, Event, SourceEvent
from tray.core.history import HistoryRecord, RequestRecord, StepsExpired, UsageToday
from tray.core.ledger import Ledger
from tray.core.settings import BUDGETS, HISTORY, HISTORY_DAYS, HISTORY_TEXT, ON_MACHINE, OTHER_AGENTS
from tray.core.source_calls import SourceCall
from tray.opencode.model_prices import ModelPrices
from tray.storage.audit import SLOW, AuditLog
from tray.storage.history.database import HistoryError
from tray.storage.history.usage import active_roots, usage
from tray.storage.history.writer import HistoryWriter
from tray.system.local_day import day_number
from tray.system.paths import Paths
from tray.system.tasks import TaskSet, call_on_loop

log = logging.getLogger(__name__)

TOPIC, AUDIT_TOPIC = "history", "audit log"
WRITE_TIMEOUT = 5.0  # s
AUDIT_TIMEOUT = 1.0  # s


class HistoryNotWrittenError(UserError):
    """A change of the history was not stored; the text says why."""


class History:
    """Lives on the event loop's thread. Nothing is recorded while the setting `history.enabled` is off."""

    def __init__(
        self,
        paths: Paths,
        state: AppState,
        problems: Problems,
        tasks: TaskSet,
        call: SourceCall,
        report: Callable[[SourceEvent], None],
        show: Callable[[str, str], None],
    ) -> None:
        """`call` and `report` belong to the sources; `show` shows title and text in a notification."""
        self.today = UsageToday()
        self._path = paths.history
        self._audit = AuditLog(paths.audit)
        self._settings = state.settings
        self._now = state.now
        self._problems = problems
        self._tasks = tasks
        self._ledger = Ledger(state.fleet, day_number)
        self._gaps = HistoryGaps(paths.history, state.fleet, call, report, tasks)
        self._prices = ModelPrices(os.environ, Path.home())
        self._budgets = BudgetWatch(paths.history, show)
        self._writer: HistoryWriter | None = None
        self._on_change: Callable[[], None] = lambda: None
        self._day = 0
        self._importing: asyncio.Task[None] | None = None  # None: not begun
        self._today = PacedReading(self._read_today, tasks, "usage of today")

    def start(self, on_change: Callable[[], None]) -> None:
        """Record from now on. `on_change` is called when `today` has changed."""
        self._on_change = on_change
        self._apply_settings()
        self._tasks.spawn(self.refresh(), "prices of models")

    def record(self, event: Event, changes: Iterable[Change]) -> None:
        """Record an event and the changes that it made in the fleet."""
        if self._writer is None:
            return
        try:
            records = self._ledger.records(event, changes, self._now())
        except Exception:  # an error here must not end the source of the event
            log.exception("cannot record an event")
            return
        if records:
            self._writer.put(records)
        self._gaps.on_event(event)

    async def record_answer(self, entry: Mapping[str, Any]) -> None:
        """Write an entry to the audit log, within AUDIT_TIMEOUT, and record where a request was answered."""
        self._audit.add(entry)
        if self._writer is not None and entry["result"] == ANSWERED:
            verdict, surface = entry.get("verdict", ""), entry["surface"]
            self._writer.put([RequestRecord(entry["request"], entry["session"], verdict=verdict, surface=surface)])
        await self._write_audit_log()

    async def _write_audit_log(self) -> None:
        """Write what is waiting. An error is reported: the user can answer in any case."""
        try:
            async with asyncio.timeout(AUDIT_TIMEOUT):
                problem = await asyncio.to_thread(self._audit.write)
        except TimeoutError:
            problem = f"answers are not recorded: the audit log {SLOW}"
        self._problems.set(AUDIT_TOPIC, problem)

    async def write(self, records: list[HistoryRecord]) -> None:
        """Store what the user has changed. Raises HistoryNotWrittenError; the records are then kept for another try."""
        if self._writer is None:
            raise HistoryNotWrittenError("the history is off; set history.enabled to true")
        self._writer.put(records)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await asyncio.wrap_future(self._writer.flush())
        except HistoryError as error:
            raise HistoryNotWrittenError(f"{error}; it will be tried again") from error
        except TimeoutError as error:
            raise HistoryNotWrittenError("the history is busy; the change will be stored later") from error

    async def refresh(self) -> None:
        """Apply the settings, read new prices, begin a new day at midnight, and store what could not be stored."""
        await self._write_audit_log()
        self._apply_settings()
        if self._writer is not None:
            prices = await asyncio.to_thread(self._prices.read)
            if prices is not None:
                self._ledger.prices = prices
            self._import()

    def _import(self) -> None:
        """Import stored sessions once, if the user lets the tray look for agents on this machine."""
        settings = self._settings()
        if self._writer is not None and self._importing is None and settings[ON_MACHINE] and settings[OTHER_AGENTS]:
            from tray.app.history_import import import_in_background  # noqa: PLC0415  # it imports all agents

            work = import_in_background(self._path, self._writer, self._ledger.prices, self._ledger.keeps_text)
            self._importing = self._tasks.spawn(work, "import of stored sessions")

    def _apply_settings(self) -> None:
        self._ledger.keeps_text = self._settings()[HISTORY_TEXT] == "lines"
        if self._settings()[HISTORY] and self._writer is None:
            self._writer = self._open()
            self._day = 0  # today is read again
        elif not self._settings()[HISTORY] and (writer := self._end()) is not None:
            self._tasks.spawn(asyncio.to_thread(writer.stop), "close the history")
            self._problems.clear(TOPIC)
            self._show(UsageToday())
        if self._writer is not None:
            self._writer.retry()
            if self._day != day_number(self._now()):
                self._today.changed()

    async def stop(self) -> None:
        """Record nothing more, and store what is waiting."""
        await self._write_audit_log()
        if (writer := self._end()) is not None:
            await asyncio.to_thread(writer.stop)

    def _end(self) -> HistoryWriter | None:
        """Record and import nothing more; return the writer, which has to be stopped."""
        if self._importing is not None:
            self._importing.cancel()
            self._importing = None
        writer, self._writer = self._writer, None
        return writer

    def _open(self) -> HistoryWriter:
        loop = asyncio.get_running_loop()

        def on_loop(work: Callable[[], None]) -> None:
            call_on_loop(loop, lambda: work() if self._writer is writer else None)

        writer = HistoryWriter(
            self._path, lambda text: on_loop(partial(self._report, text)), lambda: on_loop(self._today.changed)
        )
        writer.start()
        return writer

    def _report(self, problem: str) -> None:
        self._problems.set(TOPIC, problem, is_logged=True)
        self._on_change()

    async def _read_today(self) -> None:
        day = day_number(self._now())
        try:
            found = await asyncio.to_thread(_usage_of, self._path, day)
            if self._writer is not None:
                budgets: tuple[Budget, ...] = self._settings()[BUDGETS]
                await self._budgets.check(budgets, day, self._writer.put)
        except sqlite3.Error as error:
            log.debug("cannot read the usage of today: %s", error)
            return
        if self._writer is None:  # the history was turned off meanwhile
            return
        if day != self._day:
            self._writer.put([StepsExpired(day - self._settings()[HISTORY_DAYS])])
        self._day = day
        self._show(found)

    def _show(self, today: UsageToday) -> None:
        if today != self.today:
            self.today = today
            self._on_change()


def _usage_of(path: Path, day: int) -> UsageToday:
    sums = next(iter(usage(path, day, day)), None)
    if sums is None:
        return UsageToday()
    return UsageToday(active_roots(path, day, day), sums.tokens, sums.reported, sums.estimated, sums.unpriced)
