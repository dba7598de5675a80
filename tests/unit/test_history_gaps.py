"""Sessions whose tokens are not in the history are read once; after they are gone, again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from replay import SERVER
from tray.app import history_gaps
from tray.app.history_gaps import HistoryGaps
from tray.core.events import Digest, Event, ServerConnected, SessionDeleted, SessionFacts, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.messages import Tokens
from tray.system.tasks import TaskSet
from waiting import run


def snapshot(tokens: int) -> SnapshotTaken:
    return SnapshotTaken(SERVER.id, sessions=(SessionFacts("a", digest=Digest(1, 0.0, Tokens(tokens))),))


def test_a_session_is_read_again_after_it_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_gaps, "SETTLE_TIME", 0.0)
    calls: list[str] = []

    async def call(_: str, method: str, params: Mapping[str, Any]) -> list[Any]:
        calls.append(params["sessionID"])
        return []

    async def test() -> None:
        fleet, tasks = Fleet(), TaskSet()
        gaps = HistoryGaps(tmp_path / "history.db", fleet, call, lambda _: None, tasks)

        async def take(*events: Event) -> None:
            for at, event in enumerate(events):
                fleet.apply(event, at)
                gaps.on_event(event)
            await tasks.wait(5)

        await take(ServerConnected(SERVER), snapshot(10))
        await take(snapshot(10))
        assert calls == ["a"]
        await take(snapshot(25))
        assert calls == ["a", "a"]
        await take(SessionDeleted(SERVER.id, "a"), SnapshotTaken(SERVER.id, sessions=(SessionFacts("b"),)))
        await take(snapshot(10))
        assert calls == ["a", "a", "a"]

    run(test())
