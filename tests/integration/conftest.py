"""An app at work for each test that wants one."""

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
from running_app import SNAPSHOT, Running
from tray.app.clock import Clock


@pytest.fixture
def at_work(tmp_path: Path) -> Callable[..., Any]:
    """Returns a context manager: an app that runs as long as the block, with frequent periodic jobs."""

    @asynccontextmanager
    async def work(clock: Clock = time) -> AsyncIterator[tuple[Running, FakePlugin]]:
        made = Running(tmp_path, clock)
        port = await made.app.start()
        made.app.show_on(made.views.append)
        life = asyncio.create_task(made.app.run_until_stopped())
        try:
            async with connection(f"http://127.0.0.1:{port}/") as link:
                await link.authenticate()
                await link.send(SNAPSHOT)
                await until(lambda: made.app.status()["sessions"])
                yield made, link
        finally:
            made.app.stop()
            await asyncio.wait_for(life, 2)

    return work


WINDOWS_TOLD_BY = (
    "SWAYSOCK", "HYPRLAND_INSTANCE_SIGNATURE", "NIRI_SOCKET", "WAYLAND_DISPLAY", "DISPLAY", "XDG_CURRENT_DESKTOP",
)  # fmt: skip


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The only programs on the PATH, on no desktop."""
    made = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(made.folder))
    for name in WINDOWS_TOLD_BY:
        monkeypatch.delenv(name, raising=False)
    return made
