"""The page behind a tunnel and in a tailnet: who gets in, what is never believed, and what every surface shows."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from fake_tailscale import NAME, FakeTailscale, entry
from fakes import FRAMES
from page_client import PageClient, PairedDevice, new_address
from running_app import RunningApp
from tray.core.commands import (
    CloseWays,
    DecidePairing,
    ListDevices,
    ListPairings,
    OpenTunnel,
    PairPhone,
    ServeOnTailnet,
)
from tray.core.devices import Scope
from tray.core.phone_ways import Way
from tray.surfaces.menu.items import Item, OpenSubmenus, walk
from tray.surfaces.page.server import FAILURES
from tray.surfaces.page.sockets import MAX_PENDING_OUTSIDE, PageClose
from tray_process import Home
from tunnel_programs import HOST, TunnelPrograms
from waiting import run, until, until_async

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs of the tunnels are scripts")

AtWork = Callable[[], Any]
FORWARDED = {"X-Forwarded-For": "127.0.0.1", "CF-Connecting-IP": "127.0.0.1", "Tailscale-User-Login": "me@example.com"}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TunnelPrograms:
    made = TunnelPrograms(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(made.folder))
    return made


@asynccontextmanager
async def internet(port: int, host: str = HOST) -> AsyncIterator[PageClient]:
    """Yield a client on the internet, as the program of a tunnel brings its requests to the page."""
    async with aiohttp.ClientSession(headers={"Host": host, **FORWARDED}) as session:
        yield PageClient(session, f"http://127.0.0.1:{port}")


@pytest.fixture
def exposed(at_work: AtWork, programs: TunnelPrograms) -> AtWork:
    """Return a context manager with a running app, a paired client at the desk, and a stranger behind the tunnel."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[RunningApp, PageClient, PageClient]]:
        async with at_work() as (running, _), aiohttp.ClientSession() as session:
            desk = await PageClient.pair(session, running)
            opened = await running.choose(OpenTunnel())
            assert opened.ok, opened.message
            async with internet(programs.port) as stranger:
                yield running, desk, stranger

    return opened


def page_port(client: PageClient) -> int:
    return int(client.address.rpartition(":")[2])


# ---------------------------------------------------------------------- who gets in


def test_the_name_of_the_tunnel_is_taken_only_while_it_is_open(exposed: AtWork, programs: TunnelPrograms) -> None:
    async def test() -> None:
        async with exposed() as (running, desk, stranger):
            assert json.loads(programs.read("cloudflared.arguments"))[-1] == desk.address
            assert await stranger.call("GET", "/health") == (200, {"ok": True})
            for host in (f"x.{HOST}", f"{HOST}:443", f"{HOST}.", "evil.example", "desk.tail1234.ts.net"):
                assert (await stranger.call("GET", "/health", Host=host))[0] == 421
            assert (await running.choose(CloseWays())).ok
            async with internet(page_port(desk)) as late:
                assert (await late.call("GET", "/health"))[0] == 421
            assert (await desk.call("GET", "/api/me"))[0] == 200

    run(test())


@pytest.mark.parametrize(
    ("origin", "status"),
    [(f"https://{HOST}", 401), (f"http://{HOST}", 403), ("https://evil.example", 403), ("null", 403), ("", 403)],
)
def test_only_the_page_of_the_tunnel_may_call_it(exposed: AtWork, origin: str, status: int) -> None:
    async def test() -> None:
        async with exposed() as (_, __, stranger):
            headers = {"User-Agent": "Mozilla/5.0", "Origin": origin}
            assert (await stranger.call("POST", "/api/pair", {"code": "x"}, **headers))[0] == status

    run(test())


def test_what_a_proxy_says_of_the_sender_gives_no_right(exposed: AtWork) -> None:
    async def test() -> None:
        async with exposed() as (_, desk, stranger):
            for host in (HOST, f"127.0.0.1:{page_port(desk)}", f"localhost:{page_port(desk)}"):
                for path in ("/api/me", "/api/devices", "/api/audit"):
                    assert (await stranger.call("GET", path, Host=host))[0] == 401

    run(test())


def test_a_code_of_the_desk_pairs_nothing_behind_the_tunnel(exposed: AtWork) -> None:
    async def test() -> None:
        async with exposed() as (running, desk, stranger):
            code = (await new_address(running)).partition("#c=")[2]
            for host in (HOST, f"127.0.0.1:{page_port(desk)}"):  # Tailscale passes on what the sender gives as Host
                status, answer = await stranger.call("POST", "/api/pair", {"code": code}, Host=host)
                assert (status, "token" in answer) == (401, False)
            guess = await stranger.call("POST", "/api/pair", {"code": "x" * len(code)})
            assert guess == (status, answer)  # nothing says that the code was right
            browser = PageClient(desk.session, desk.address)
            assert (await browser.call("POST", "/api/pair", {"code": code}))[1]["scope"] == "act"

    run(test())


def test_a_phone_pairs_behind_the_tunnel_after_the_number_was_compared(exposed: AtWork) -> None:
    async def test() -> None:
        async with exposed() as (running, _, phone):
            shown = (await running.choose(PairPhone())).result
            assert shown["way"] == Way.TUNNEL.value
            assert "the whole internet" in shown["note"]
            address, _, code = shown["address"].partition("#c=")
            assert address == f"https://{HOST}/"
            status, begun = await phone.call("POST", "/api/pair", {"code": code, "name": "My phone"})
            assert status == 202
            (pending,) = (await running.choose(ListPairings())).result
            assert (pending["number"], pending["address"]) == (begun["number"], HOST)
            await running.choose(DecidePairing(pending["id"], Scope.ANSWER))
            body = {"pending": begun["pending"], "secret": begun["secret"]}
            await phone.log_in(PairedDevice.of((await phone.call("POST", "/api/pair/wait", body))[1]))
            assert (await phone.call("GET", "/api/me"))[1]["scope"] == "answer"
            async with phone.live() as live:
                assert (await live.read())["type"] == "view"
            assert [each["address"] for each in (await running.choose(ListDevices())).result][1] == HOST

    run(test())


def test_strangers_behind_the_tunnel_lock_no_desk_out(exposed: AtWork) -> None:
    async def test() -> None:
        async with exposed() as (running, desk, stranger):
            guess = PageClient(stranger.session, stranger.address, "guess")
            statuses = [(await guess.call("GET", "/api/me"))[0] for _ in range(FAILURES + 1)]
            assert statuses == [401] * FAILURES + [429]
            unpaired = PageClient(desk.session, desk.address)
            assert (await unpaired.call("GET", "/api/me"))[0] == 401  # not 429
            code = (await new_address(running)).partition("#c=")[2]
            assert (await unpaired.call("POST", "/api/pair", {"code": code}))[0] == 200
            silent = [await guess.session.ws_connect(f"{guess.address}/ws") for _ in range(MAX_PENDING_OUTSIDE)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await guess.session.ws_connect(f"{guess.address}/ws")
            assert refused.value.status == 429
            async with desk.live() as live:
                await live.read()
            for ws in silent:
                await ws.close()

    run(test())


def test_the_plugin_protocol_is_not_reached_through_the_tunnel(exposed: AtWork) -> None:
    async def test() -> None:
        async with exposed() as (running, _, stranger):
            for path in ("/", "/client"):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await stranger.session.ws_connect(stranger.address + path)
            assert (await stranger.call("POST", "/events", {}))[0] in (404, 405)
            for hello in (FRAMES["hello"], {"type": "register", "sessions": []}):
                async with stranger.session.ws_connect(f"{stranger.address}/ws") as ws:
                    await ws.send_json(hello)
                    assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
                    assert ws.close_code == PageClose.UNAUTHORIZED
            assert len(running.app.status()["servers"]) == 1

    run(test())


# ---------------------------------------------------------------------- what is shown


def test_icon_tooltip_menu_and_each_page_show_that_the_page_is_exposed(exposed: AtWork) -> None:
    async def test() -> None:
        async with exposed() as (running, desk, _), desk.live() as live, desk.live() as other:
            view = await until_async(lambda: running.views[-1] if running.views[-1].icon.exposed else None, "the mark")
            assert view.tooltip.startswith("Exposed to the internet until ")
            first = view.menu[0]
            assert isinstance(first, Item)
            clock = first.label.removeprefix(f"Exposed: https://{HOST} until ")
            assert view.tooltip.startswith(f"Exposed to the internet until {clock} · ")
            for socket in (live, other):
                while f"until {clock}" not in socket.entries.get("summary", {}).get("tooltip", ""):
                    await socket.read()
                assert socket.entries["summary"]["problems"][0].startswith(
                    f"Exposed to the internet until {clock}: https://{HOST}; to stop it"
                )
            stop = next(item.command for item in walk((first,)) if item.label == "Stop")
            assert stop is not None
            assert (await running.choose(stop)).message == "Ended: the tunnel"
            await until_async(lambda: not running.views[-1].icon.exposed, "the end of the mark")
            await until_async(lambda: "xposed" not in str(running.views[-1].menu[0]), "the end of the line in the menu")
            assert "xposed" not in running.views[-1].tooltip
            for socket in (live, other):
                while "xposed" in str(socket.entries["summary"]):
                    await socket.read()

    run(test())


def test_when_the_program_ends_the_mark_goes_and_a_message_says_so(exposed: AtWork, programs: TunnelPrograms) -> None:
    async def test() -> None:
        async with exposed() as (running, _, __):
            await until_async(lambda: running.views[-1].icon.exposed, "the mark")
            programs.end()
            await until_async(lambda: not running.views[-1].icon.exposed, "the end of the mark")
            said = await until_async(lambda: [text for text in running.notifications.said if "has ended" in text])
            reason = "cloudflared has ended: the tunnel was lost"
            assert said == [f"Tunnel to the page\n{reason}. The page is not exposed to the internet any more"]

    run(test())


def test_the_menu_shows_each_command_before_it_is_run(
    at_work: AtWork, programs: TunnelPrograms, tailscale: FakeTailscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs.folder}:{tailscale.folder}")

    async def test() -> None:
        async with at_work() as (running, _), aiohttp.ClientSession() as session:
            page = (await PageClient.pair(session, running)).address
            running.app.post_opened(OpenSubmenus(ids=frozenset({("phone",)})))
            await until_async(lambda: runs(running), "the submenu")
            assert runs(running) == [
                (f"Run: tailscale serve --bg --https=443 {page}", ServeOnTailnet()),
                (f"Run: cloudflared tunnel --no-autoupdate --config {os.devnull} --url {page}", OpenTunnel()),
            ]
            for _, command in runs(running):
                assert (await running.choose(command)).ok
            await until_async(lambda: len(runs(running)) == 1, "the new submenu")
            ((label, command),) = runs(running)
            assert (label, command) == ("Run: tailscale serve --https=443 off", CloseWays(Way.TAILSCALE))
            assert (await running.choose(command)).message.startswith("Ended: the page in the tailnet")
            await until_async(lambda: running.views[-1].icon.exposed, "the tunnel, which is still open")

    def runs(running: RunningApp) -> list[tuple[str, Any]]:
        return [(item.label, item.command) for item in walk(running.views[-1].menu) if item.label.startswith("Run: ")]

    run(test())


def test_the_menu_says_what_is_not_installed(at_work: AtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    async def test() -> None:
        async with at_work() as (running, _):
            running.app.post_opened(OpenSubmenus(ids=frozenset({("phone",)})))
            wanted = {"Tailscale is not installed", "For a tunnel, install cloudflared or ngrok"}
            await until_async(lambda: wanted <= {item.label for item in walk(running.views[-1].menu)}, "the submenu")

    run(test())


# ---------------------------------------------------------------------- Tailscale


def test_the_tailnet_reaches_the_page_and_no_mark_is_shown(at_work: AtWork, tailscale: FakeTailscale) -> None:
    async def test() -> None:
        async with at_work() as (running, _), aiohttp.ClientSession() as session:
            desk = await PageClient.pair(session, running)
            done = await running.choose(ServeOnTailnet())
            assert done.message.startswith(f"Ran: tailscale serve --bg --https=443 {desk.address}. ")
            assert not running.views[-1].icon.exposed
            shown = (await running.choose(PairPhone())).result
            assert (shown["address"].partition("#")[0], shown["way"]) == (f"https://{NAME}/", "tailscale")
            async with internet(page_port(desk), NAME) as phone:
                headers = {"User-Agent": "Mozilla/5.0", "Origin": f"https://{NAME}"}
                assert (await phone.call("POST", "/api/pair", {"code": "x"}, **headers))[0] == 401
                code = shown["address"].partition("#c=")[2]
                assert (await phone.call("POST", "/api/pair", {"code": code}, **headers))[0] == 202
                await phone.log_in(desk.device)
                async with phone.live() as far, desk.live() as near:
                    for live in (far, near):
                        await live.read()
                    assert (await running.choose(CloseWays())).ok
                    while (await far.socket.receive(timeout=5)).type is not aiohttp.WSMsgType.CLOSE:
                        pass
                    assert not near.socket.closed
        assert tailscale.config["Web"] == {}

    run(test())


def test_the_best_way_that_is_open_is_shown_and_another_one_on_demand(
    at_work: AtWork, programs: TunnelPrograms, tailscale: FakeTailscale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs.folder}:{tailscale.folder}")

    async def test() -> None:
        async with at_work() as (running, _):
            refused = await running.choose(PairPhone())
            assert not refused.ok
            assert "phone --tailscale or --tunnel" in refused.message
            for command in (OpenTunnel(), ServeOnTailnet()):
                assert (await running.choose(command)).ok
            for way, shown in ((None, "tailscale"), (Way.TAILSCALE, "tailscale"), (Way.TUNNEL, "tunnel")):
                assert (await running.choose(PairPhone(way))).result["way"] == shown
            assert "lan" in (await running.choose(PairPhone(Way.LAN))).message

    run(test())


# ---------------------------------------------------------------------- real processes


def home_with(tmp_path: Path, *folders: Path) -> Home:
    home = Home(tmp_path / "home")
    home.path.mkdir()
    home.environment["PATH"] = ":".join([*map(str, folders), home.environment["PATH"]])
    return home


def test_a_tunnel_ends_with_a_tray_that_is_killed_and_is_not_opened_again(tmp_path: Path) -> None:
    programs = TunnelPrograms(tmp_path / "bin")
    home = home_with(tmp_path, programs.folder)
    try:
        home.tray("--no-notify")
        port = ("--port", str(home.port))
        opened = home.run("phone", "--tunnel", "cloudflared", "--json", *port)
        assert json.loads(opened.stdout)["result"]["address"].startswith(f"https://{HOST}/#c="), opened
        assert "opencode-tray phone --stop" in opened.stderr
        pid = int(programs.read("cloudflared.pid"))
        assert psutil.pid_exists(pid)
        home.kill()
        until(lambda: not psutil.pid_exists(pid), "the end of the program")
        home.tray("--no-notify")
        assert home.run("phone", "--stop", *port).stdout == "Neither a tunnel nor Tailscale was open\n"
        assert int(programs.read("cloudflared.pid")) == pid
        assert home.run("phone", "--tunnel", "--json", *port).returncode == 0
        assert home.run("phone", "--stop", *port).stdout == "Ended: the tunnel\n"
    finally:
        home.stop()


def test_the_entry_of_a_killed_tray_is_undone_by_the_next_one(tmp_path: Path) -> None:
    tailscale = FakeTailscale(tmp_path / "bin")
    home = home_with(tmp_path, tailscale.folder)
    try:
        home.tray("--no-notify")
        shown = home.run("phone", "--tailscale", "--json", "--port", str(home.port))
        assert json.loads(shown.stdout)["result"]["address"].startswith(f"https://{NAME}/#c="), shown
        ((_, _, _, target),) = tailscale.changes
        assert f"Ran: tailscale serve --bg --https=443 {target}." in shown.stderr
        home.kill()
        assert tailscale.config == entry(target)
        home.tray("--no-notify")
        until(lambda: tailscale.config == {"TCP": {}, "Web": {}}, "the end of the entry")
    finally:
        home.stop()
