"""A permission of the real OpenCode is answered from a phone; the tray is a process that can be killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fake_services import FULL, FakeNtfy, channel_tables, running_service
from fake_telegram import OWNER, TOKEN, FakeTelegram, running_telegram
from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray_process import Home
from waiting import run, until_async

pytestmark = pytest.mark.opencode


def bash(command: str) -> dict[str, Any]:
    return {"calls": [[["bash", {"command": command, "description": "write"}]]]}


class Desk:
    """A tray with channels, and an OpenCode that reports to it."""

    def __init__(self, folder: Path, model: ModelServer, *channels: dict[str, Any]) -> None:
        self.tray = Home(folder / "tray")
        self.tray.path.mkdir()
        settings = self.tray.settings
        settings.parent.mkdir(parents=True)
        settings.write_text(channel_tables(*({**channel, **FULL} for channel in channels)), encoding="utf-8")
        self.process = self.tray.tray("--no-notify")
        token = {"OPENCODE_TRAY_TOKEN_FILE": str(self.tray.path / "data/opencode-tray/token")}
        self.opencode = OpenCode(NEWEST, folder / "home", model.port, token)
        self.opencode.serve()

    def ask(self, command: str) -> str:
        session = self.opencode.session()
        self.opencode.prompt(session, bash(command))
        return session

    def run(self, *words: str) -> str:
        return self.tray.run(*words, "--port", str(self.tray.port)).stdout

    def close(self) -> None:
        self.opencode.kill()
        self.tray.stop()


@asynccontextmanager
async def running_desk(folder: Path, *channels: dict[str, Any]) -> AsyncIterator[Desk]:
    with ModelServer() as model:
        desk = await asyncio.to_thread(Desk, folder, model, *channels)
        try:
            yield desk
        finally:
            await asyncio.to_thread(desk.close)


def bot(telegram: FakeTelegram) -> dict[str, Any]:
    return {"kind": "telegram", "token": TOKEN, "chat": str(OWNER["id"]), "server": telegram.address}


async def message(telegram: FakeTelegram, text: str) -> int:
    def found() -> list[int]:
        return [number for number, shown in telegram.messages.items() if text in shown["text"]]

    await until_async(found, f"{text!r} in Telegram; there is {list(telegram.messages.values())}", 40)
    return found()[-1]


def test_an_answer_on_one_phone_lets_opencode_go_on_and_the_other_copies_say_so(tmp_path: Path) -> None:
    async def test() -> None:
        ntfy = FakeNtfy()
        async with (
            running_telegram() as telegram,
            running_service(ntfy),
            running_desk(tmp_path, bot(telegram), ntfy.settings()) as desk,
        ):
            session = await asyncio.to_thread(desk.ask, "echo hi > answer.txt")
            number = await message(telegram, "echo hi > answer.txt")
            await until_async(lambda: any("echo hi > answer.txt" in text for text in ntfy.texts.values()), "ntfy")
            assert not (desk.opencode.project / "answer.txt").exists()
            telegram.press(number, telegram.buttons(number)["Allow once"])
            await until_async((desk.opencode.project / "answer.txt").exists, "the command to run")
            said = "Allowed once by kim (telegram)"
            await until_async(lambda: said in telegram.messages[number]["text"], "Telegram says so", 2)
            await until_async(lambda: any(said in text for text in ntfy.texts.values()), "ntfy says so", 2)
            await until_async(lambda: desk.tray.session(session)["status"] == "completed", "the end of the turn")
            listed = await asyncio.to_thread(desk.run, "channels")
            assert [line.split()[0] for line in listed.splitlines()] == ["telegram", "ntfy"]
            assert all("1 sent, last " in line for line in listed.splitlines()), listed

    run(test(), 120)


def test_a_press_while_the_tray_is_dead_counts_once_after_its_restart(tmp_path: Path) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, running_desk(tmp_path, bot(telegram)) as desk:
            kept = desk.tray.path / "data/opencode-tray/channels.json"
            await asyncio.to_thread(desk.ask, "echo hi >> answer.txt")
            number = await message(telegram, "echo hi >> answer.txt")
            await until_async(lambda: kept.exists() and '"reference"' in kept.read_text(), "the stored message")
            desk.process.send_signal(signal.SIGKILL)
            desk.process.wait()
            telegram.press(number, telegram.buttons(number)["Allow once"], times=2)
            await asyncio.to_thread(desk.tray.tray, "--no-notify", "--port", str(desk.tray.port))
            written = desk.opencode.project / "answer.txt"
            await until_async(lambda: written.exists() and written.read_text(), "the command to run", 60)
            await until_async(lambda: "Allowed once by kim" in telegram.messages[number]["text"], "how it ended")
            assert len(telegram.messages) == 1
            assert written.read_text() == "hi\n"

    run(test(), 120)


def test_the_command_tests_and_pairs_a_channel_and_explains_what_is_wrong(tmp_path: Path) -> None:
    async def test() -> None:
        async with running_telegram() as telegram:
            home = Home(tmp_path)
            settings = home.settings
            settings.parent.mkdir(parents=True)
            table = {"kind": "telegram", "token_env": "BOT_TOKEN", "server": telegram.address}
            settings.write_text(channel_tables(table), encoding="utf-8")
            home.environment["BOT_TOKEN"] = TOKEN
            await asyncio.to_thread(home.tray, "--no-notify")
            try:
                await commands(home, telegram)
            finally:
                await asyncio.to_thread(home.stop)

    async def commands(home: Home, telegram: FakeTelegram) -> None:
        async def command(*words: str) -> tuple[int, str]:
            done = await asyncio.to_thread(home.run, "channels", *words, "--port", str(home.port))
            return done.returncode, (done.stdout + done.stderr).strip()

        code, said = await command("test", "telegram")
        assert (code, "channels pair telegram" in said) == (1, True)
        code, said = await command("pair", "telegram")
        assert (code, said.startswith("Send this to your bot in Telegram: /start ")) == (0, True)
        telegram.write(said.rpartition(": ")[2])
        await message(telegram, "Paired")
        assert await command("test", "telegram") == (0, "Sent a test message with telegram (@tray_bot)")
        code, said = await command("test", "phone")
        assert (code, said) == (1, "no channel is named 'phone'; the settings name: telegram")
        assert (await command("test"))[0] == 2
        assert (await command("list", "telegram"))[0] == 2

    run(test(), 60)
