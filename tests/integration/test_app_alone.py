"""The whole app without its icon: its periodic jobs, alerts and settings."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes import FRAMES
from running_app import ASK, SES
from tray.core.commands import DismissSession, Mute, MuteSpan, OpenNextSession, Unmute
from tray.core.session_index import EVERYTHING
from tray.core.sessions import SessionKey
from tray.storage.endpoint import Endpoint, read_endpoint, write_endpoint
from tray.surfaces.menu.items import walk
from tray.surfaces.menu.view import TrayView
from tray.system import sound
from waiting import run, until_async


@pytest.mark.fault
def test_after_sleep_every_plugin_is_asked_for_a_snapshot(at_work: Callable[..., Any]) -> None:
    slept = [0.0]
    clock = SimpleNamespace(
        time=lambda: time.time() + slept[0],
        time_ns=lambda: time.time_ns() + int(slept[0] * 1e9),
        monotonic=time.monotonic,
        perf_counter=time.perf_counter,
    )

    async def test() -> None:
        async with at_work(clock) as (_, link):
            slept[0] = 3600.0
            assert (await link.receive())["method"] == "snapshot"

    run(test())


def test_a_request_is_announced_after_its_delay_and_withdrawn_when_closed(at_work: Callable[[], Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await link.event("permission.asked", **ASK)
            await until_async(lambda: running.notifications.shown)
            await until_async(lambda: running.views[-1].tooltip == "1 needs you")
            await link.event("permission.replied", sessionID=SES, requestID="per_1")
            await until_async(lambda: running.notifications.withdrawn == [SES])
            await until_async(lambda: running.views[-1].tooltip == "1 idle")

    run(test())


def test_mute_all_keeps_the_icon_and_announces_pending_requests_later(
    at_work: Callable[[], Any],
) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await running.choose(Mute(EVERYTHING, MuteSpan.HALF_HOUR))
            await link.event("permission.asked", **ASK)
            await until_async(lambda: running.waiting == 1)
            await asyncio.sleep(1.3)  # longer than the delay of an alert
            assert running.notifications.shown == []
            await running.choose(Unmute(EVERYTHING))
            await until_async(lambda: running.notifications.shown)

    run(test())


def test_settings_are_reloaded_and_quiet_hours_are_silent(at_work: Callable[[], Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            hour = time.localtime().tm_hour
            around_now = f"{(hour - 1) % 24:02}:00-{(hour + 2) % 24:02}:00"
            running.settings.write_text(f'[notifications]\nquiet_hours = "{around_now}"\n[icon]\ncount = false\n')
            await until_async(lambda: not running.views[-1].icon.show_count)
            await link.event("permission.asked", **ASK)
            await until_async(lambda: running.waiting == 1)
            await asyncio.sleep(1.3)  # longer than the delay of an alert
            assert running.notifications.shown == []

    run(test())


def test_an_invalid_setting_is_shown_in_the_menu_until_it_is_fixed(
    at_work: Callable[[], Any],
) -> None:
    def problems(view: TrayView) -> list[str]:
        return [item.label for item in walk(view.menu) if item.key.startswith("problem:")]

    async def test() -> None:
        async with at_work() as (running, _):
            running.settings.write_text('[icon]\nstyle = "monochrome"\n')
            await until_async(lambda: running.views[-1].icon.monochrome)
            running.settings.write_text('[icon]\nstyle = "rainbow"\n')
            await until_async(lambda: problems(running.views[-1]))
            assert running.views[-1].icon.monochrome
            running.settings.unlink()
            await until_async(lambda: not problems(running.views[-1]))
            assert not running.views[-1].icon.monochrome

    run(test())


@pytest.mark.parametrize("damage", [None, "", "{", '{"host": "127.0.0.1", "port": 1, "pid": 0}'])
def test_a_removed_or_damaged_endpoint_file_is_written_again(at_work: Callable[[], Any], damage: str | None) -> None:
    async def test() -> None:
        async with at_work() as (running, _):
            path = running.paths.endpoint
            ours = read_endpoint(path)
            assert ours is not None
            path.unlink() if damage is None else path.write_text(damage, encoding="utf-8")
            await until_async(lambda: read_endpoint(path) == ours)

    run(test())


def test_the_endpoint_file_of_another_tray_stays(at_work: Callable[[], Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, _):
            another = Endpoint("127.0.0.1", 1, os.getppid())
            write_endpoint(running.paths.endpoint, another)
            running.settings.write_text('[icon]\nstyle = "monochrome"\n')
            await until_async(lambda: running.views[-1].icon.monochrome)
            running.settings.unlink()
            await until_async(lambda: not running.views[-1].icon.monochrome)  # so all periodic jobs have run in between
            assert read_endpoint(running.paths.endpoint) == another

    run(test())


@pytest.mark.skipif(sys.platform == "win32", reason="it would use the clipboard of the user")
def test_go_to_next_reports_how_it_opened_and_dismissing_clears_the_state(
    at_work: Callable[[], Any],
) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            done = {"id": "msg_1", "sessionID": SES, "role": "assistant", "finish": "stop", "time": {"completed": 2}}
            await link.event("session.status", sessionID=SES, status={"type": "busy"})
            await link.event("message.updated", info=done)
            await link.event("session.status", sessionID=SES, status={"type": "idle"})
            await until_async(lambda: running.app.status()["attention"]["state"] == "completed")
            opened = await running.choose(OpenNextSession())
            assert "ssh -t -- workstation 'opencode /home/dev/project --session" in opened.message
            assert "workstation is another machine" in opened.message
            assert not opened.ok
            assert running.app.status()["attention"]["state"] == "completed"  # it has not been opened yet
            assert (await running.choose(DismissSession(SessionKey(FRAMES["hello"]["instance"], SES)))).ok
            assert running.app.status()["attention"]["state"] == "idle"
            assert (await running.choose(OpenNextSession())).message == "No session needs you"
            assert not (await running.choose(DismissSession(SessionKey("unknown", "ses_9")))).ok

    run(test())


def test_sound_and_speech_follow_the_settings(at_work: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[str] = []

    async def play(file: Path) -> bool:
        played.append(file.name)
        return True

    async def speak(text: str) -> bool:
        played.append(text)
        return True

    monkeypatch.setattr(sound, "play", play)
    monkeypatch.setattr(sound, "speak", speak)

    async def test() -> None:
        async with at_work() as (running, link):
            running.settings.write_text('[notifications]\nsound = "soft"\nspeak = true\n[icon]\ncount = false\n')
            await until_async(lambda: not running.views[-1].icon.show_count)
            await link.event("permission.asked", **ASK)
            await until_async(lambda: len(played) == 2)
            assert "permission.wav" in played

    run(test())
