"""One request of the real OpenCode, shown everywhere: toast, icon, menu, page, Telegram, ntfy, and a browser's push.

After an answer on one of them, every other copy says so within 2 s, and the agent goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from desk import Desk
from test_panel import colour
from tray_with_icon import TrayWithIcon

from agent_program import required
from fake_desktop import need
from fake_services import FULL, FakeNtfy, channel_tables, running_service
from fake_telegram import OWNER, TOKEN, FakeTelegram, running_telegram
from firefox import FIREFOX, Firefox, run_firefox
from model_server import ModelServer
from opencode import NEWEST, OpenCode
from push_service import PushService, named_as_mozillas, running_push_service
from tray.core.sessions import Status
from waiting import run, until_async

pytestmark = [pytest.mark.desktop, pytest.mark.opencode, pytest.mark.browser]

WAITING, DONE = colour(Status.WAITING_FOR_PERMISSION), colour(Status.COMPLETED)
ANSWERED_WITHIN = 2.0  # s
SHOWN = """navigator.serviceWorker.ready.then((worker) => worker.getNotifications())
    .then((all) => all.map((each) => `${each.title}: ${each.body}`).join())"""


class Everywhere:
    """What shows the alerts of one OpenCode."""

    def __init__(self, desk: Desk, tray: TrayWithIcon, opencode: OpenCode, firefox: Firefox) -> None:
        self.desk = desk
        self.tray = tray
        self.opencode = opencode
        self.firefox = firefox
        self.telegram: FakeTelegram
        self.ntfy: FakeNtfy
        self.push: PushService

    def ask(self, file: Path) -> None:
        """Let the agent ask whether it may write a file."""
        command = {"command": f"echo hi > {file}", "description": "write"}
        self.opencode.prompt(self.opencode.session(), {"calls": [[["bash", command]]]})

    async def texts(self) -> dict[str, str]:
        """Return what each copy shows now."""
        return {
            "telegram": "\n".join(message["text"] for message in self.telegram.messages.values()),
            "ntfy": "\n".join(self.ntfy.texts.values()),
            "push": await self.firefox.evaluate(SHOWN),
        }

    async def show(self, text: str, deadline: float = 20) -> None:
        """Wait until every copy shows a text."""
        shown: dict[str, str] = {}

        async def all_show() -> bool:
            shown.update(await self.texts())
            return all(text in each for each in shown.values())

        await until_async(all_show, f"{text!r} everywhere; there is {shown}", deadline)

    async def toasts(self, count: int) -> bool:
        """Whether so many notifications are on the screen: those of Firefox stay, and the tray has one of a request."""
        return int(await asyncio.to_thread(self.desk.run, "dunstctl", "count", "displayed")) == count

    async def has_card(self) -> bool:
        """Whether the page shows a request."""
        return bool(await self.firefox.evaluate("document.querySelectorAll('.card').length"))


@asynccontextmanager
async def everywhere(desk: Desk, folder: Path) -> AsyncIterator[Everywhere]:
    """Start all of it: the page is open in Firefox, which has notifications turned on."""
    program = required(FIREFOX, "Firefox is not installed; run packaging/check.py as root")
    need("dunst", "dunstctl")
    await asyncio.to_thread(desk.start_panel, dark=True)
    await asyncio.to_thread(desk.start_notifications, "dunst", "grep -m1 Allow.once")
    ntfy = FakeNtfy()
    (folder / "profile").mkdir()
    (folder / "tray").mkdir()
    async with (
        running_telegram() as telegram,
        running_service(ntfy),
        running_push_service() as push,
        named_as_mozillas(push, folder) as network,
    ):
        bot = {"kind": "telegram", "token": TOKEN, "server": telegram.address, "chat": str(OWNER["id"]), **FULL}
        settings = folder / "tray/config/opencode-tray/settings.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(channel_tables(bot, {**ntfy.settings(), **FULL}, {"kind": "push", "delay": 0}))
        desk.environment |= network
        tray = await asyncio.to_thread(TrayWithIcon, desk, folder / "tray")
        for name in network:
            del desk.environment[name]
        reports = {
            "OPENCODE_MONITOR_PORT": str(tray.home.port),
            "OPENCODE_TRAY_TOKEN_FILE": str(folder / "tray/data/opencode-tray/token"),
        }
        try:
            with ModelServer() as model, OpenCode(NEWEST, folder / "opencode", model.port, reports) as opencode:
                await asyncio.to_thread(opencode.serve)
                async with run_firefox(program, folder / "profile", desk.environment, push.port) as firefox:
                    made = Everywhere(desk, tray, opencode, firefox)
                    made.telegram, made.ntfy, made.push = telegram, ntfy, push
                    address = await asyncio.to_thread(tray.home.run, "open", "--print", "--port", str(tray.home.port))
                    await firefox.open(address.stdout.strip())
                    await firefox.evaluate("(location.hash = '#/devices')")
                    await firefox.shows("button", "Turn on")
                    await firefox.click("Turn on")
                    await firefox.shows("button", "Turn off")
                    await firefox.evaluate("(location.hash = '#/')")
                    yield made
        finally:
            await asyncio.to_thread(tray.home.stop)


def test_an_answer_on_one_phone_is_shown_everywhere_else_within_2_s(desk: Desk, tmp_path: Path) -> None:
    async def test() -> None:
        async with everywhere(desk, tmp_path) as all_:
            await ask(all_, tmp_path / "first", toasts=2)
            number = max(all_.telegram.messages)
            all_.telegram.press(number, all_.telegram.buttons(number)["Allow once"])
            await ends(all_, tmp_path / "first", "Allowed once by kim (telegram)", toasts=1)

            await ask(all_, tmp_path / "second", toasts=3)
            await asyncio.to_thread(desk.run, "dunstctl", "context")  # the button of Firefox' notification
            await ends(all_, tmp_path / "second", "Allowed once by Firefox on Linux", toasts=2)

    async def ask(all_: Everywhere, file: Path, toasts: int) -> None:
        await asyncio.to_thread(all_.ask, file)
        await all_.show(f"echo hi > {file}")
        await asyncio.to_thread(all_.tray.icon, WAITING)
        await until_async(all_.has_card, "the card on the page")
        await until_async(lambda: all_.toasts(toasts), "the notifications of the tray and of Firefox")
        await asyncio.to_thread(desk.screenshot, f"everywhere-{file.name}-waiting")

    async def ends(all_: Everywhere, file: Path, outcome: str, toasts: int) -> None:
        await until_async(lambda: outcome in str(all_.telegram.messages), "the answer")
        answered = time.monotonic()
        await all_.show(outcome, ANSWERED_WITHIN)
        left = answered + ANSWERED_WITHIN - time.monotonic()
        await until_async(lambda: is_gone(all_, toasts), "the end of the card and of the notification", left)
        await until_async(file.exists, "the file of the agent")
        await asyncio.to_thread(all_.tray.icon, DONE)
        await asyncio.to_thread(desk.screenshot, f"everywhere-{file.name}-answered")

    async def is_gone(all_: Everywhere, toasts: int) -> bool:
        return not await all_.has_card() and await all_.toasts(toasts)

    run(test(), 170)
