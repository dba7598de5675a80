"""The page in a real Firefox: pairing, live view, answers by keyboard, history and usage."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from agent_program import required
from firefox import FIREFOX, run_firefox
from page_client import new_address
from push_service import running_push_service
from running_app import RunningApp
from sample_history import YESTERDAY, fill_history
from sample_sessions import sample_sessions
from tray.surfaces.page import push_routes
from waiting import run, until_async
from web_server import serving

pytestmark = pytest.mark.browser


def test_firefox_pairs_answers_by_keyboard_and_shows_every_page(tmp_path: Path) -> None:
    program = required(FIREFOX, "Firefox is not installed; run packaging/check.py as root")

    async def test() -> None:
        running = RunningApp(tmp_path / "tray")
        fill_history(running.paths.history)
        (tmp_path / "profile").mkdir()
        async with running, sample_sessions(running), run_firefox(program, tmp_path / "profile") as firefox:
            await firefox.open(await new_address(running))
            await firefox.shows(".card", "pnpm prisma migrate deploy")
            assert "c=" not in await firefox.evaluate("location.href")
            assert await firefox.evaluate("document.title") == "(2) OpenCode Tray"
            await firefox.press("j")
            await firefox.press("a")
            await firefox.shows(".notices", "Allowed once: bash")
            sessions = running.app.status()["sessions"]
            assert {request["id"] for each in sessions for request in each["requests"]} == {"per_edit", "que_nodes"}
            for page, selector in {
                "#/s/ses_refund": ".messages .prose",
                "#/history/q=never+more": ".hit mark",
                f"#/s/{YESTERDAY}": ".timeline .asked",
                "#/usage": ".usage .chart svg a",
                "#/answers": ".answers li",
                "#/devices": ".devices li",
            }.items():
                await firefox.evaluate(f"(location.hash = '{page}')")
                await firefox.shows(selector)
                assert await firefox.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
            await firefox.reload()  # the token is kept
            await firefox.shows(".devices li", "Firefox on Linux")
            assert firefox.errors == []

    run(test(), 110)


SCOPE = "import('/app/store.js').then(({ scope }) => scope.value === 'answer')"


async def bad_gateway(_: web.Request) -> web.Response:
    """Answer as a tunnel does whose tray has ended."""
    return web.Response(status=502, text="Bad gateway")


def test_the_page_opens_without_a_connection_once_its_worker_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = required(FIREFOX, "Firefox is not installed; run packaging/check.py as root")

    async def allow(endpoint: str) -> None:
        assert endpoint.startswith("http://127.0.0.1:")

    monkeypatch.setattr(push_routes, "check_endpoint", allow)

    async def test() -> None:
        (tmp_path / "profile").mkdir()
        async with (
            running_push_service() as push,
            run_firefox(program, tmp_path / "profile", push_port=push.port) as firefox,
        ):
            async with RunningApp(tmp_path / "tray") as running:
                address = await new_address(running)
                port = int(address.split(":")[2].partition("/")[0])
                await firefox.open(address)
                await firefox.evaluate("(location.hash = '#/devices')")
                await firefox.shows("button", "Turn on")
                await firefox.click("Turn on")
                await firefox.shows("button", "Turn off")
                assert '"endpoint"' in running.paths.devices.read_text()
            await firefox.reload()
            await firefox.shows(".lost", "Not connected to the tray")
            tunnel = web.Application()
            tunnel.router.add_route("*", "/{path:.*}", bad_gateway)
            async with serving(tunnel, port=port):
                await firefox.reload()
                await firefox.shows(".lost", "Not connected to the tray")
            stored = running.paths.devices.read_text()
            assert '"scope": "act"' in stored
            running.paths.devices.write_text(stored.replace('"scope": "act"', '"scope": "answer"'))
            async with RunningApp(tmp_path / "tray", page_port=port):
                await until_async(lambda: firefox.evaluate(SCOPE), "the scope after a start without a connection")

    run(test(), 110)
