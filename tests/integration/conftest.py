"""Fixtures: a running app with a connected plugin, fake programs on the PATH, and real agents."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from claude_code import ClaudeCode
from codex import Codex
from fake_programs import Programs
from fake_tailscale import FakeTailscale
from fakes import FakePlugin, connection
from model_server import ModelServer
from running_app import SNAPSHOT, RunningApp
from tray.app.clock import Clock
from tray_process import Home
from waiting import until_async


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """Return a temporary folder with a short path: that of a unix socket in it may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tray-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home folder without a tray, and with what is started in it until the end of the test."""
    made = Home(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def tailscale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTailscale:
    """Return a fake Tailscale, the only program on the PATH."""
    made = FakeTailscale(tmp_path / "tailscale")
    monkeypatch.setenv("PATH", str(made.folder))
    return made


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def claude(tmp_path: Path, model: ModelServer) -> Iterator[ClaudeCode]:
    with ClaudeCode(tmp_path / "home", model.port) as program:
        yield program


@pytest.fixture
def codex(tmp_path: Path, model: ModelServer) -> Iterator[Codex]:
    with Codex(tmp_path / "home", model.port) as program:
        yield program


@pytest.fixture
def at_work(tmp_path: Path) -> Callable[..., Any]:
    """Return a context manager that runs an app with frequent periodic jobs, and connects a plugin to it."""

    @asynccontextmanager
    async def work(
        clock: Clock = time, snapshot: Mapping[str, Any] = SNAPSHOT
    ) -> AsyncIterator[tuple[RunningApp, FakePlugin]]:
        async with RunningApp(tmp_path, clock) as running:
            running.app.show_on(running.views.append)
            async with connection(f"http://127.0.0.1:{running.app.port}/") as link:
                await link.authenticate()
                await link.send(snapshot)
                await until_async(lambda: running.app.status()["sessions"])
                yield running, link

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
