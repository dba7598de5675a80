"""Fixtures: a running app with a connected plugin, and fake programs on the PATH."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fake_programs import Programs
from fakes import FakePlugin, connection, until
from running_app import SNAPSHOT, RunningApp
from tray.app.clock import Clock


@pytest.fixture
def at_work(tmp_path: Path) -> Callable[..., Any]:
    """Returns a context manager: an app that runs as long as the block, with frequent periodic jobs."""

    @asynccontextmanager
    async def work(clock: Clock = time) -> AsyncIterator[tuple[RunningApp, FakePlugin]]:
        running = RunningApp(tmp_path, clock)
        port = await running.app.start()
        running.app.show_on(running.views.append)
        life = asyncio.create_task(running.app.run_until_stopped())
        try:
            async with connection(f"http://127.0.0.1:{port}/") as link:
                await link.authenticate()
                await link.send(SNAPSHOT)
                await until(lambda: running.app.status()["sessions"])
                yield running, link
        finally:
            running.app.stop()
            await asyncio.wait_for(life, 2)

    return work


DESKTOP_VARIABLES = (
    "SWAYSOCK", "HYPRLAND_INSTANCE_SIGNATURE", "NIRI_SOCKET", "WAYLAND_DISPLAY", "DISPLAY", "XDG_CURRENT_DESKTOP",
)  # fmt: skip


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Return fake programs, the only ones on the PATH, without a desktop."""
    programs = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(programs.folder))
    for name in DESKTOP_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return programs
