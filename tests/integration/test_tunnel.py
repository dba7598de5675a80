"""A quick tunnel: its programs as they are run, its address, its end by command, time, error and kill."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from tray.app import tunnel as tunnel_module
from tray.app.tunnel import Tunnel, TunnelError
from tray.system.tasks import TaskSet
from tunnel_programs import HOST, NGROK_HOST, TunnelPrograms
from waiting import run, until_async

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs of the tunnels are scripts")

AT = 1_795_237_290_000
PORT = 41236
NGROK_OPTIONS = ("--inspect=false", "--log=stdout", "--log-format=json")


class Desk:
    """A tunnel, and what the user is shown of it."""

    def __init__(self) -> None:
        self.at = AT
        self.said: list[str] = []
        self.changes = 0
        self.tasks = TaskSet()
        self.tunnel = Tunnel(lambda: self.at, self.tasks, self._changed, lambda _, text: self.said.append(text))

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TunnelPrograms:
    made = TunnelPrograms(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(made.folder))
    return made


def with_desk(test: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    async def work() -> None:
        desk = Desk()
        try:
            await test(desk)
        finally:
            await desk.tunnel.close()
            await desk.tasks.wait(5)

    run(work())


def has_ended(programs: TunnelPrograms, name: str = "cloudflared") -> bool:
    return not psutil.pid_exists(int(programs.read(f"{name}.pid")))


@pytest.mark.parametrize(
    ("name", "host", "arguments"),
    [
        ("cloudflared", HOST, ["tunnel", "--no-autoupdate", "--config", os.devnull, "--url", "http://127.0.0.1:41236"]),
        (
            "ngrok",
            NGROK_HOST,
            ["http", "http://127.0.0.1:41236", *NGROK_OPTIONS],
        ),
    ],
)
def test_each_program_is_given_the_port_of_the_page_and_its_address_is_read(
    programs: TunnelPrograms, name: str, host: str, arguments: list[str]
) -> None:
    async def test(desk: Desk) -> None:
        exposure = await desk.tunnel.open(name, PORT, 4)
        assert (exposure.url, exposure.end) == (f"https://{host}", AT + 4 * 3_600_000)
        assert json.loads(programs.read(f"{name}.arguments")) == arguments
        assert (desk.tunnel.exposure, desk.changes) == (exposure, 1)
        assert await desk.tunnel.open("", PORT, 8) is exposure
        assert await desk.tunnel.close()
        assert (desk.tunnel.exposure, desk.changes, has_ended(programs, name)) == (None, 2, True)
        assert not await desk.tunnel.close()
        assert desk.said == []

    with_desk(test)


def test_without_a_name_the_program_without_an_account_is_preferred(programs: TunnelPrograms) -> None:
    async def test(desk: Desk) -> None:
        assert (await desk.tunnel.open("", PORT, 4)).url == f"https://{HOST}"

    with_desk(test)


def test_after_its_hours_the_tunnel_is_closed(programs: TunnelPrograms) -> None:
    async def test(desk: Desk) -> None:
        await desk.tunnel.open("cloudflared", PORT, 0.2 / 3600)
        await until_async(lambda: desk.said, "the message about the end")
        assert (desk.tunnel.exposure, has_ended(programs)) == (None, True)
        assert desk.said == ["Its time is over: the page is not exposed to the internet any more"]

    with_desk(test)


@pytest.mark.fault
def test_hours_in_which_the_machine_sleeps_count(programs: TunnelPrograms) -> None:
    async def test(desk: Desk) -> None:
        await desk.tunnel.open("cloudflared", PORT, 4)
        desk.at += 4 * 3_600_000 - 1
        await desk.tunnel.close_if_due()
        assert desk.tunnel.exposure is not None
        desk.at += 1
        await desk.tunnel.close_if_due()
        assert (desk.tunnel.exposure, len(desk.said), has_ended(programs)) == (None, 1, True)

    with_desk(test)


def test_a_program_that_ends_by_itself_is_reported(programs: TunnelPrograms) -> None:
    async def test(desk: Desk) -> None:
        await desk.tunnel.open("cloudflared", PORT, 4)
        programs.end()
        await until_async(lambda: desk.said, "the message about the end")
        assert desk.tunnel.exposure is None
        assert desk.said[0].startswith("cloudflared has ended: the tunnel was lost. ")

    with_desk(test)


@pytest.mark.parametrize(
    ("name", "reason"), [("cloudflared", "failed to request quick Tunnel"), ("ngrok", "ERR_NGROK_4018")]
)
def test_a_refusal_is_shown_in_the_words_of_the_program(programs: TunnelPrograms, name: str, reason: str) -> None:
    programs.behave("refused")

    async def test(desk: Desk) -> None:
        with pytest.raises(TunnelError, match=reason):
            await desk.tunnel.open(name, PORT, 4)
        assert (desk.tunnel.exposure, desk.changes) == (None, 0)

    with_desk(test)


def test_a_program_that_prints_no_address_is_ended(programs: TunnelPrograms, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.behave("silent")
    monkeypatch.setattr(tunnel_module, "OPEN_TIME", 1.0)

    async def test(desk: Desk) -> None:
        with pytest.raises(TunnelError, match="printed no address within 1 s"):
            await desk.tunnel.open("cloudflared", PORT, 4)
        assert has_ended(programs)

    with_desk(test)


def test_a_tunnel_is_stopped_while_it_is_being_opened(programs: TunnelPrograms) -> None:
    programs.behave("silent")

    async def test(desk: Desk) -> None:
        opening = asyncio.create_task(desk.tunnel.open("cloudflared", PORT, 4))
        await until_async((programs.folder / "cloudflared.pid").exists, "the start of the program")
        assert not await desk.tunnel.close()
        with pytest.raises(TunnelError):
            await opening
        assert (desk.tunnel.exposure, has_ended(programs)) == (None, True)

    with_desk(test)


def test_without_a_program_the_error_names_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    async def test(desk: Desk) -> None:
        with pytest.raises(TunnelError, match="cloudflared or ngrok"):
            await desk.tunnel.open("", PORT, 4)

    with_desk(test)
