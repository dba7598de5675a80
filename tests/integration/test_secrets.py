"""Secrets stay where they belong. A tray uses each of them once with success and once with an answer that repeats it.

The services, the push service and the OpenCode server answer with an error that repeats the whole request.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fake_desktop import FakeDesktop, PrivateBus
from fake_programs import Programs
from fake_services import channel_tables
from fakes import connection
from mqtt_broker import Mosquitto
from page_client import PageClient, PairedDevice
from planted_secrets import PlantedSecrets, ProcessWatch
from push_service import PlayedBrowser, named_as_mozillas
from running_app import ASK, SNAPSHOT
from tray.core.team_settings import key_text
from tray_process import Home
from waiting import run, until_async
from web_server import serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and needs a session bus")

VARIABLES = {  # by the variable that holds a secret: what it is
    "BOT_TOKEN": "123456:pl4nt-telegram-0bd1b7d7aa",
    "NTFY_TOKEN": "tk_pl4nt-ntfy-5f0c64c1d2",
    "NTFY_TOPIC": "pl4nt-topic-2a1f6d22c9",
    "GOTIFY_TOKEN": "pl4nt-gotify-9d0e31f5bb",
    "DISCORD_URL": "pl4nt-discord-77ab01c2e4",
    "PUSHOVER_TOKEN": "pl4nt-pushover-1f9b80ad35",
    "SLACK_TOKEN": "xoxb-pl4nt-slack-60c35e0f12",
    "SLACK_APP_TOKEN": "xapp-pl4nt-slack-b8d7a2f9e0",
    "APPRISE_URL": "pl4nt-apprise-c3f08a6e17",
    "SERVER_PASSWORD": "pl4nt-server-e0c9b7a6d5",
    "BROKER_PASSWORD": "pl4nt-broker-4b8f1c7d90",
    "TEAM_KEY": key_text(b"pl4nt-team-key-0123456789abcdef!"),
}
API_KEY = "sk-ant-pl4nt-f00dfeed01"  # of an agent; the tray does not use it, and neither stores nor shows it
WEBHOOK_SECRET = "pl4nt-webhook-6e5d4c3b2a"  # in the settings file
RECORD = 'import json, os, sys; open(sys.argv[1], "a").write(json.dumps(dict(os.environ)) + "\\n")'
CHANNELS = ("telegram", "ntfy", "gotify", "discord", "pushover", "slack", "apprise", "webhook")
# The files that hold secrets, with the reason.
ALLOWED = {
    "config/opencode-tray/settings.toml": ("webhook",),  # the user wrote it there
    "data/opencode-tray/token": ("token",),  # its own file
    "data/opencode-tray/devices.json": ("push",),  # who knows the address can only send sealed messages to it
}


class RepeatingService:
    """Answers everything. While it is `broken`, with an error that repeats the request."""

    def __init__(self) -> None:
        self.broken = False
        self.origin = ""  # as a push service
        self.asked: list[str] = []  # method and path

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode("utf-8", "replace")
        self.asked.append(f"{request.method} {request.path}")
        if request.path.endswith(("getUpdates", "/json", "/event")) and not self.broken:
            await asyncio.sleep(30)
        if not self.broken:
            result: Any = {"message_id": 7, "username": "bot"}
            return web.json_response({"ok": True, "result": result, "id": "1", "ts": "1.1", "channel": "D1",
                                      "healthy": True, "version": "1.18.33", "url": "ws://127.0.0.1:9/"})  # fmt: skip
        said = f"{request.method} {request.url} {dict(request.headers)} {body}"
        fields = dict.fromkeys(("description", "error", "message", "name"), said)
        return web.json_response({**fields, "ok": False, "data": {"message": said}}, status=500)


def settings_of(service: str, broker: Mosquitto) -> str:
    at = {"server": service, "delay": 0, "detail": "full"}
    channels = (
        {"kind": "telegram", "token_env": "BOT_TOKEN", "chat": "7", **at},
        {"kind": "ntfy", "topic_env": "NTFY_TOPIC", "token_env": "NTFY_TOKEN", **at},
        {"kind": "gotify", "token_env": "GOTIFY_TOKEN", **at},
        {"kind": "discord", "url_env": "DISCORD_URL", "delay": 0, "detail": "full"},
        {"kind": "pushover", "token_env": "PUSHOVER_TOKEN", "user": "u", **at},
        {"kind": "slack", "token_env": "SLACK_TOKEN", "app_token_env": "SLACK_APP_TOKEN", "user": "U1", **at},
        {"kind": "apprise", "url_env": "APPRISE_URL", "delay": 0, "detail": "full"},
        {"kind": "webhook", "url": f"{service}/hook", "secret": WEBHOOK_SECRET, "delay": 0, "detail": "full"},
    )  # fmt: skip
    return f"""{channel_tables(*channels)}
[[servers]]
url = "{service}"
password_env = "SERVER_PASSWORD"
[team]
broker = "{broker.url.replace("//", "//tray@")}"
password_env = "BROKER_PASSWORD"
key_env = "TEAM_KEY"
[notifications]
sound = "soft"
"""


@contextmanager
def broker_with_password(folder: Path) -> Iterator[Mosquitto]:
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto is not installed; run packaging/check.py as root")
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.write_text(f"tray:{VARIABLES['BROKER_PASSWORD']}\n", encoding="utf-8")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    passwords.chmod(0o644)
    with Mosquitto(folder, "allow_anonymous false", f"password_file {passwords}") as running:
        yield running


class TrayAtWork:
    """A tray with everything that needs a secret, and what could be seen of it."""

    def __init__(self, home: Home, service: RepeatingService, secrets: PlantedSecrets, desktop: FakeDesktop) -> None:
        self.home, self.service, self.secrets, self.desktop = home, service, secrets, desktop
        self.printed: list[str] = []  # by the tray and by the commands
        self.shown: list[Any] = []  # notifications

    def inherited(self) -> list[dict[str, str]]:
        """Return the environments of the programs that the tray has started."""
        return [json.loads(line) for line in (self.home.path.parent / "environments").read_text().splitlines()]

    async def command(self, *words: str) -> str:
        done = await asyncio.to_thread(self.home.run, *words, "--port", str(self.home.port))
        self.printed.append(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    async def paired(self, session: aiohttp.ClientSession) -> PageClient:
        """Pair a browser, turn on notifications, and call with a wrong token and a code that was used."""
        page, _, code = (await self.command("open", "--print")).split()[0].partition("#c=")
        client = PageClient(session, page)
        _, answer = await client.call("POST", "/api/pair", {"code": code, "name": "Firefox"})
        await client.log_in(PairedDevice.of(answer))
        self.secrets.secrets |= {"device": answer["token"], "login": client.login}
        endpoint = f"{self.service.origin}/push/{self.secrets.secrets['push']}"
        status, answer = await client.call("PUT", "/api/push", PlayedBrowser().subscription(endpoint))
        assert status == 200, answer
        async with client.live() as live:
            await live.read()
        other = PageClient(session, page, client.login[:-4] + "AAAA")
        assert (await other.call("GET", "/api/me"))[0] == 401
        assert (await other.call("POST", "/api/pair", {"code": code, "name": "again"}))[0] >= 400
        return client

    async def use_channels(self, page: PageClient) -> None:
        for path in (*(f"/api/channels/{name}/test" for name in CHANNELS), "/api/push/test"):
            self.printed.append(f"{path}: {await page.call('POST', path, {})}")


@asynccontextmanager
async def tray_with_secrets(folder: Path) -> AsyncIterator[TrayAtWork]:
    service, home = RepeatingService(), Home(folder / "home")
    home.path.mkdir()
    bus = PrivateBus(folder)
    bus.start()
    programs = Programs(folder / "bin")
    for name in ("xdg-open", "pw-play"):
        program = programs.folder / name
        record = f"{sys.executable} -I -c '{RECORD}' {folder / 'environments'}"
        program.write_text(f"#!/bin/sh\n{record}\n", encoding="utf-8")
        program.chmod(0o755)
    with broker_with_password(folder / "broker") as broker:
        async with serving(service.application()) as port, named_as_mozillas(service, folder) as proxy:
            address = f"http://127.0.0.1:{port}"
            secrets = PlantedSecrets(
                **VARIABLES,
                api_key=API_KEY,
                webhook=WEBHOOK_SECRET,
                push="pl4nt-push-address-0a1b2c3d4e",
                **{"wrong token": "pl4nt-wrong-token-99887766"},
            )
            home.environment |= {
                **VARIABLES, **proxy, "DISCORD_URL": f"{address}/api/webhooks/1/{VARIABLES['DISCORD_URL']}",
                "APPRISE_URL": f"json://127.0.0.1:{port}/{VARIABLES['APPRISE_URL']}",
                "ANTHROPIC_API_KEY": API_KEY, "DBUS_SESSION_BUS_ADDRESS": bus.address,
                "PYTHONFAULTHANDLER": "1",
                "PATH": f"{programs.folder}:{os.environ['PATH']}",
            }  # fmt: skip
            home.settings.parent.mkdir(parents=True)
            home.settings.write_text(settings_of(address, broker), encoding="utf-8")
            home.settings.chmod(0o600)
            desktop = await FakeDesktop(bus.address).start()
            made = TrayAtWork(home, service, secrets, desktop)
            desktop.on_note = lambda: made.shown.append(list(desktop.notes.values()))
            try:
                yield made
            finally:
                await asyncio.to_thread(home.stop)
                await desktop.stop()
                bus.stop()


async def drive(made: TrayAtWork) -> None:
    """Use each secret, with success, with an error that repeats it, and with a wrong one."""
    home = made.home
    process = await asyncio.to_thread(home.tray, "--debug")
    made.secrets.secrets["token"] = home.token
    async with connection(f"http://127.0.0.1:{home.port}/") as wrong:
        hello = {"type": "hello", "serverId": "box-7", "authToken": made.secrets.secrets["wrong token"]}
        await wrong.send(hello)
        assert await wrong.closed_with() is not None
    async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
        await plugin.authenticate(home.token, directory=str(home.path))
        await plugin.send(SNAPSHOT)
        plugin.answer_pings()
        async with aiohttp.ClientSession() as session:
            page = await made.paired(session)
            await made.use_channels(page)
            made.service.broken = True
            await plugin.event("permission.asked", **ASK)
            await until_async(lambda: made.shown, "a notification", 20)
            await made.use_channels(page)
            for path in ("/api/channels", "/api/devices", "/api/me", "/api/audit"):
                made.printed.append(str(await page.call("GET", path)))
        for words in (("status", "--json"), ("channels",), ("channels", "test", "telegram"), ("config",), ("doctor",),
                      ("serve", "list"), ("open",), ("token", "rotate")):  # fmt: skip
            await made.command(*words)
        made.secrets.secrets["token after the rotation"] = home.token
    process.send_signal(signal.SIGABRT)  # a crash: its trace is printed, if there is one
    output, _ = await asyncio.to_thread(process.communicate, None, 20)
    assert "Fatal Python error" in output
    made.printed.append(output)


def test_no_secret_is_found_where_it_does_not_belong(tmp_path: Path) -> None:
    async def test() -> None:
        async with tray_with_secrets(tmp_path) as made:
            with ProcessWatch() as watch:
                await drive(made)
            secrets = made.secrets
            asked = " ".join(made.service.asked)
            for used in ("BOT_TOKEN", "DISCORD_URL", "APPRISE_URL", "push"):  # the others are in no path
                assert secrets.secrets[used] in asked, asked
            allowed = {**ALLOWED, "data/opencode-tray/token": ("token", "token after the rotation")}
            leaks = dict.fromkeys(secrets.in_files(made.home.path, allowed))
            for text in made.printed:
                leaks |= dict.fromkeys(("output", secret) for secret in secrets.found_in(text.encode()))
            for note in map(str, made.shown):
                leaks |= dict.fromkeys(("notification", secret) for secret in secrets.found_in(note.encode()))
            for line in watch.arguments:
                leaks |= dict.fromkeys((f"arguments of {line}", secret) for secret in secrets.found_in(line.encode()))
            inherited = [environment for line, environment in watch.environments.items() if "-m tray" not in line]
            for environment in (*inherited, *made.inherited()):
                variables = "\n".join(environment.values()).encode()
                leaks |= dict.fromkeys(("a child", secret) for secret in secrets.found_in(variables) - {"api_key"})
            assert not leaks, "\n".join(map(str, leaks))

    run(test(), 110)
