"""The app as a whole, with everything but the icon: what it does by itself as time goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import TOKEN, FakePlugin, connection, until
from tray import app as app_module
from tray.app import App
from tray.core.alerts import Alert
from tray.core.board import EVERYTHING
from tray.core.choices import Choice, Dismiss, Done, GoToNext, Mute, MuteSpan, Surface, Unmute
from tray.core.model import SessionKey
from tray.core.settings import PORT
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.surfaces.menu import walk
from tray.surfaces.view import TrayView
from tray.system.paths import Paths
from tray_process import free_port

SES = "ses_1"
SNAPSHOT = {"type": "snapshot", "sessions": [{"id": SES, "title": "Work"}], "status": {}, "permissions": []}
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "metadata": {"command": "ls"}}


class Told:
    """Stands where notifications would be shown."""

    def __init__(self) -> None:
        self.shown: list[Alert] = []
        self.withdrawn: list[str] = []
        self.said: list[str] = []
        self._ending = asyncio.Event()

    def show(self, alert: Alert) -> None:
        self.shown.append(alert)

    def withdraw(self, session_id: str) -> None:
        self.withdrawn.append(session_id)

    def say(self, title: str, body: str) -> None:
        self.said.append(f"{title}\n{body}")

    def end(self) -> None:
        self._ending.set()

    async def run(self) -> None:
        await self._ending.wait()


class Running:
    """An app at work."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = folder / "settings.toml"
        self.paths = Paths(
            *(folder / name for name in ("settings.toml", "token", "cache.json", "audit.jsonl", "log", "plugin.js"))
        )
        self.told = Told()
        self.views: list[TrayView] = []
        monkeypatch.setattr(app_module, "Notifications", lambda *_: self.told)
        self.app = App(self.paths, load_settings(self.settings, {}, {PORT.key: free_port()}), {}, Token(TOKEN))

    @property
    def waiting(self) -> int:
        return int(self.app.status()["attention"]["waiting"])

    async def choose(self, choice: Choice) -> Done:
        return await self.app.choose(choice, Surface.MENU)


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Makes an app that works as long as the block lasts, with a heart that beats fast."""
    monkeypatch.setattr(app_module, "BEAT", 0.05)

    @asynccontextmanager
    async def work() -> AsyncIterator[tuple[Running, FakePlugin]]:
        made = Running(tmp_path, monkeypatch)
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


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def test_after_sleep_every_plugin_is_asked_for_the_truth(
    at_work: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = [0.0]
    clock = SimpleNamespace(
        time=lambda: time.time() + slept[0],
        time_ns=lambda: time.time_ns() + int(slept[0] * 1e9),
        monotonic=time.monotonic,
        perf_counter=time.perf_counter,
    )
    monkeypatch.setattr(app_module, "time", clock)

    async def test() -> None:
        async with at_work() as (_, link):
            slept[0] = 3600.0
            assert (await link.receive())["method"] == "snapshot"

    run(test())


def test_an_ask_is_announced_after_its_hold_and_withdrawn_when_it_is_closed(at_work: Callable[[], Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await link.event("permission.asked", **ASK)
            await until(lambda: running.told.shown)
            assert running.views[-1].tooltip == "1 needs you"
            await link.event("permission.replied", sessionID=SES, requestID="per_1")
            await until(lambda: running.told.withdrawn == [SES])
            assert running.views[-1].tooltip == "1 idle"

    run(test())


def test_while_everything_is_muted_the_icon_still_counts_and_afterwards_what_waits_is_announced(
    at_work: Callable[[], Any],
) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await running.choose(Mute(EVERYTHING, MuteSpan.HALF_HOUR))
            await link.event("permission.asked", **ASK)
            await until(lambda: running.waiting == 1)
            await asyncio.sleep(1.3)  # longer than an ask is held back
            assert running.told.shown == []
            await running.choose(Unmute(EVERYTHING))
            await until(lambda: running.told.shown)

    run(test())


def test_settings_are_taken_up_and_quiet_hours_are_quiet(at_work: Callable[[], Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            hour = time.localtime().tm_hour
            around_now = f"{(hour - 1) % 24:02}:00-{(hour + 2) % 24:02}:00"
            running.settings.write_text(f'[notifications]\nquiet_hours = "{around_now}"\n[icon]\ncount = false\n')
            await until(lambda: not running.views[-1].icon.show_count)
            await link.event("permission.asked", **ASK)
            await until(lambda: running.waiting == 1)
            await asyncio.sleep(1.3)  # longer than an ask is held back
            assert running.told.shown == []

    run(test())


def test_an_invalid_setting_changes_nothing_and_shows_in_the_menu_until_it_is_mended(
    at_work: Callable[[], Any],
) -> None:
    def problems(view: TrayView) -> list[str]:
        return [item.label for item in walk(view.menu) if item.key.startswith("problem:")]

    async def test() -> None:
        async with at_work() as (running, _):
            running.settings.write_text('[icon]\nstyle = "monochrome"\n')
            await until(lambda: running.views[-1].icon.monochrome)
            running.settings.write_text('[icon]\nstyle = "rainbow"\n')
            await until(lambda: problems(running.views[-1]))
            assert running.views[-1].icon.monochrome
            running.settings.unlink()
            await until(lambda: not problems(running.views[-1]))
            assert not running.views[-1].icon.monochrome

    run(test())


def test_going_to_next_gives_the_way_there_and_looking_makes_finished_turns_idle(at_work: Callable[[], Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            done = {"id": "msg_1", "sessionID": SES, "role": "assistant", "finish": "stop", "time": {"completed": 2}}
            await link.event("session.status", sessionID=SES, status={"type": "busy"})
            await link.event("message.updated", info=done)
            await link.event("session.status", sessionID=SES, status={"type": "idle"})
            await until(lambda: running.app.status()["attention"]["state"] == "completed")
            went = await running.choose(GoToNext())
            assert "ssh -t workstation 'opencode /home/dev/project --session" in went.line
            assert "workstation is another machine" in went.line
            assert not went.as_asked
            assert running.app.status()["attention"]["state"] == "idle"
            assert (await running.choose(GoToNext())).line == "Nobody needs you"
            assert not (await running.choose(Dismiss(SessionKey("nobody", "ses_9")))).ok

    run(test())


def test_sound_and_speech_come_with_the_announcement_if_they_are_wanted(
    at_work: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    async def play(file: Path) -> bool:
        heard.append(file.name)
        return True

    async def speak(text: str) -> bool:
        heard.append(text)
        return True

    monkeypatch.setattr(app_module.sound, "play", play)
    monkeypatch.setattr(app_module.sound, "speak", speak)

    async def test() -> None:
        async with at_work() as (running, link):
            running.settings.write_text('[notifications]\nsound = "soft"\nspeak = true\n[icon]\ncount = false\n')
            await until(lambda: not running.views[-1].icon.show_count)
            await link.event("permission.asked", **ASK)
            await until(lambda: len(heard) == 2)
            assert "permission.wav" in heard

    run(test())
