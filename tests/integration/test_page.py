"""The page's server in a running app: pairing, live view, answers, session commands, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import pytest

from fakes import FRAMES, TOKEN, FakePlugin
from page_client import PageClient, PairedDevice, new_address
from running_app import ASK, SES, RunningApp
from tray.core.commands import ListDevices, RevokeDevice
from tray.core.devices import Scope
from tray.core.fleet import Fleet
from tray.core.history import HistoryRecord
from tray.core.session_index import SessionIndex
from tray.surfaces.menu.items import walk
from tray.surfaces.page.access import Access
from tray.surfaces.page.answers import CHANGED
from tray.surfaces.page.pairings import Pairings
from tray.surfaces.page.server import ANSWERS, FAILURES, PageServer, has_ipv6
from tray.surfaces.page.services import PageServices
from tray.surfaces.page.sockets import MAX_OF_DEVICE, MAX_PENDING, PageClose
from tray_process import free_port
from waiting import run, until_async

AtWork = Callable[[], Any]
MASKED_TEXT = b"\x81\x82\x00\x00\x00\x00{}"  # a first frame without a login
MASKED_CLOSE = b"\x88\x80\x00\x00\x00\x00"
REPLIED = {"sessionID": SES, "requestID": "per_1", "reply": "once"}


@pytest.fixture
def with_page(at_work: AtWork) -> Callable[[], Any]:
    """Return a context manager with a running app, its plugin, and a paired client of the page."""

    @asynccontextmanager
    async def open_page() -> AsyncIterator[tuple[RunningApp, FakePlugin, PageClient]]:
        async with at_work() as (running, link), aiohttp.ClientSession() as session:
            yield running, link, await PageClient.pair(session, running)

    return open_page


async def confirm(link: FakePlugin) -> dict[str, Any]:
    """Take the call of an answer and confirm it as OpenCode does."""
    call = await link.receive()
    await link.send({"id": call["id"], "result": {}})
    await link.event("permission.replied", **REPLIED)
    return dict(call)


def test_a_code_is_exchanged_once_for_a_token(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, _, client):
            status, own = await client.call("GET", "/api/me")
            assert (status, own["name"], own["scope"]) == (200, "Test", "act")
            stranger = PageClient(client.session, client.address)
            code = (await new_address(running)).partition("#c=")[2]
            assert (await stranger.call("POST", "/api/pair", {"code": code}))[0] == 200
            assert (await stranger.call("POST", "/api/pair", {"code": code}))[0] == 401
            assert (await stranger.call("GET", "/api/me"))[0] == 401
            stored = running.paths.devices.read_text(encoding="utf-8")
            assert client.device.token not in stored

    run(test())


def test_everything_but_the_files_needs_a_token(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            stranger = PageClient(client.session, client.address)
            assert await stranger.call("GET", "/health") == (200, {"ok": True})
            assert (await stranger.call("GET", "/"))[0] == 200
            assert (await stranger.call("GET", "/app/../server.py"))[0] == 404
            assert (await stranger.call("GET", "/app/%2e%2e/server.py"))[0] == 404
            async with client.session.get(f"{client.address}/") as answer:
                assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            async with client.session.get(f"{client.address}/api/me") as answer:
                assert (answer.status, answer.headers["Cache-Control"]) == (401, "no-store")

    run(test())


def page_server(access: Access) -> PageServer:
    fleet = Fleet()

    async def write(_: list[HistoryRecord]) -> None:
        raise AssertionError

    now, nothing, none = time.time_ns() // 1_000_000, Path("/nowhere"), cast("Any", None)
    services = PageServices(lambda: now, tuple, none, none, nothing, nothing, write)
    return PageServer(fleet, SessionIndex(fleet), access, services, Pairings(lambda: now, lambda: None))


def test_every_call_needs_a_device_with_its_scope(tmp_path: Path) -> None:
    async def test() -> None:
        access = Access(tmp_path / "devices.json", lambda: TOKEN, lambda: time.time_ns() // 1_000_000)
        server = page_server(access)
        port = await server.start(0)
        async with aiohttp.ClientSession() as session:
            stranger = PageClient(session, f"http://127.0.0.1:{port}")
            calls = [(method, path.format(id="x", command="stop"), scope) for method, path, scope, _ in server.routes]
            assert len(calls) > 20
            for method, path, _ in calls:
                assert (await stranger.call(method, path, {}))[0] in (401, 429), (method, path)
            for own in (Scope.WATCH, Scope.ANSWER):
                device, token = await access.pair(access.new_code(own), own.value, "127.0.0.1")
                client = PageClient(session, stranger.address)
                await client.log_in(PairedDevice(device.id, token))
                for method, path, needed in calls:
                    if not own.allows(needed):
                        status, answer = await client.call(method, path, {})
                        assert (status, answer) == (403, {"error": f"this device may only {own.value}"})
        await server.stop()

    run(test())


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_the_page_has_both_loopback_addresses_or_none(tmp_path: Path) -> None:
    """Browsers try ::1 first for `localhost`: a program that has it could pass requests on to the page."""

    async def test() -> None:
        access = Access(tmp_path / "devices.json", lambda: TOKEN, lambda: time.time_ns() // 1_000_000)
        server = page_server(access)
        port = free_port()
        with socket.create_server(("::1", port), family=socket.AF_INET6):
            with pytest.raises(OSError, match="in use"):
                await server.start(port)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
        await server.start(port)
        async with aiohttp.ClientSession() as session:
            for host in ("127.0.0.1", "localhost", "[::1]"):
                assert await PageClient(session, f"http://{host}:{port}").call("GET", "/health") == (200, {"ok": True})
        await server.stop()

    run(test())


def test_a_session_in_the_history_is_found_annotated_and_removed(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):

            async def found(query: str = "") -> list[str]:
                status, answer = await client.call("GET", f"/api/history{query}")
                assert status == 200, answer
                return [session["id"] for session in answer["sessions"]]

            async def change(body: Any) -> Any:
                return await client.call("PUT", f"/api/sessions/{SES}/annotation", body)

            await until_async(lambda: found("?q=work"), "the session")
            body = {"note": "Ask **Kim**", "pinned": True, "tags": ["#Later", "later", " ui "]}
            status, stored = await change(body)
            assert (status, stored["session"]["tags"], stored["session"]["is_pinned"]) == (200, ["later", "ui"], True)
            assert stored["note"] == [["p", {}, "Ask ", ["strong", {}, "Kim"]]]
            assert [await found(query) for query in ("?q=kim", "?pinned=1", "?tag=ui")] == [[SES]] * 3
            assert await found("?tag=x") == []

            shown = (await client.call("GET", f"/api/sessions/{SES}/timeline"))[1]
            assert (shown["session"]["title"], shown["turns"], shown["requests"]) == ("Work", [], [])
            status, gone = await client.call("DELETE", f"/api/history/{SES}", {})
            assert (status, gone) == (200, {"message": "Removed from the history"})
            assert await found() == []
            assert (await change({"note": "x"}))[0] == 404

    run(test())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/history?q=" + "x" * 201, None),
        ("/api/history?after=x", None),
        ("/api/history?after=1-" + "9" * 30, None),
        (f"/api/sessions/{SES}/annotation", {"note": "x" * 10_001}),
        (f"/api/sessions/{SES}/annotation", {"tags": ["x" * 41]}),
        (f"/api/sessions/{SES}/annotation", {"tags": [str(number) for number in range(21)]}),
        (f"/api/sessions/{SES}/annotation", {"colour": "red"}),
    ],
)
def test_invalid_parameters_of_the_history_are_bad_requests(with_page: AtWork, path: str, body: Any) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            status, answer = await client.call("GET" if body is None else "PUT", path, body)
            assert status == 400, answer

    run(test())


def test_the_plugin_protocol_is_not_spoken_here(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, _, client):
            for path in ("/", "/client"):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await client.session.ws_connect(client.address + path)
            assert (await client.call("POST", "/events", {}))[0] in (404, 405)
            async with client.session.ws_connect(f"{client.address}/ws") as ws:
                await ws.send_json(FRAMES["hello"])
                assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
                assert ws.close_code == PageClose.UNAUTHORIZED
            assert len(running.app.status()["servers"]) == 1

    run(test())


def test_a_browser_at_the_listeners_address_is_sent_to_the_page(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, _, client):
            listener = PageClient(client.session, f"http://127.0.0.1:{running.app.port}")
            async with client.session.get(
                f"{listener.address}/", headers={"Accept": "text/html,*/*"}, allow_redirects=False
            ) as answer:
                assert (answer.status, answer.headers["Location"]) == (303, f"{client.address}/")
            assert (await listener.call("GET", "/"))[0] == 426

    run(test())


def test_the_live_view_is_whole_then_changes_and_resumes(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, link, client):
            async with client.live() as live:
                assert (await live.read())["type"] == "view"
                assert live.entries["order"] == [SES]
                await link.event("permission.asked", **ASK)
                request = await live.first_request()
                assert (request["detail"], request["kind"]) == ("ls", "permission")
                assert live.entries["summary"]["tooltip"] == "1 needs you"
                sequence, epoch = live.sequence, live.epoch
            await link.event("permission.replied", **REPLIED)
            async with client.live(since=sequence, epoch=epoch) as again:
                frame = await again.read()
                assert (frame["type"], frame["seq"]) == ("change", sequence + 1)
                assert frame["set"][f"session:{SES}"]["requests"] == []
                sequence = again.sequence
            async with client.live(since=sequence, epoch=epoch) as still:
                assert (await still.read())["set"] == {}  # nothing was missed
            async with client.live(since=sequence, epoch="of another run") as other:
                assert (await other.read())["type"] == "view"

    run(test())


def test_an_answer_is_sent_once_and_its_origin_is_in_the_audit_log(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, link, client), client.live() as live:
            await link.event("permission.asked", **ASK)
            seen = (await live.first_request())["seen"]
            answer = client.call("POST", "/api/requests/per_1/reply", {"reply": "once", "seen": seen})
            (status, result), call = await asyncio.gather(answer, confirm(link))
            assert (call["method"], call["params"]["reply"]) == ("permission.reply", "once")
            assert (status, result["ok"], result["message"]) == (200, True, "Allowed once: bash")
            status, again = await client.call("POST", "/api/requests/per_1/reply", {"reply": "once", "seen": seen})
            assert (status, again["verdict"], again["by"]) == (200, "once", "Test")
            assert again["message"] == "Already answered by Test: Allowed once: bash"
            entries = (await client.call("GET", "/api/audit"))[1]["entries"]
            assert [entry["result"] for entry in entries] == ["answered", "sending"]
            assert entries[0]["surface"] == "page"
            assert entries[0]["device"].startswith("Test (")
            assert entries[0]["device"].endswith("at 127.0.0.1")
            audit = running.paths.audit.read_text(encoding="utf-8")
            assert client.login not in audit
            assert client.device.token not in audit

    run(test())


def test_two_devices_that_answer_at_once_send_one_answer(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, link, client), client.live() as live:
            other = await PageClient.pair(client.session, running, "Other")
            await link.event("permission.asked", **ASK)
            seen = (await live.first_request())["seen"]
            replies = [
                one.call("POST", "/api/requests/per_1/reply", {"reply": reply, "seen": seen})
                for one, reply in ((client, "once"), (other, "reject"))
            ]
            *results, _ = await asyncio.gather(*replies, confirm(link))
            assert [status for status, _ in results] == [200, 200]
            messages = [result["message"] for _, result in results]
            assert messages == ["Allowed once: bash", "Already answered by Test: Allowed once: bash"]
            assert running.waiting == 0

    run(test())


def test_after_an_answer_that_failed_only_one_of_those_that_wait_is_sent(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, link, client), client.live() as live:
            await link.event("permission.asked", **ASK)
            body = {"reply": "once", "seen": (await live.first_request())["seen"]}

            async def fail_then_confirm() -> None:
                refused = await link.receive()
                await link.send({"id": refused["id"], "error": {"code": 500, "message": "busy"}})
                await confirm(link)

            replies = (client.call("POST", "/api/requests/per_1/reply", body) for _ in range(3))
            *results, _ = await asyncio.gather(*replies, fail_then_confirm())
            assert [status for status, _ in results] == [200] * 3
            assert sorted(result["ok"] for _, result in results) == [False, True, True]
            assert running.waiting == 0

    run(test())


def test_an_answer_to_something_else_than_was_shown_is_refused(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, link, client), client.live() as live:
            await link.event("permission.asked", **ASK)
            seen = (await live.first_request())["seen"]
            changed = {**ASK, "metadata": {"command": "rm -rf /"}}
            await link.event("permission.asked", **changed)
            await until_async(lambda: "rm" in str(running.app.status()))
            reply = {"reply": "once", "seen": seen}
            assert await client.call("POST", "/api/requests/per_1/reply", reply) == (409, {"error": CHANGED})
            assert (await client.call("POST", "/api/requests/per_9/reply", reply))[0] == 404
            assert running.waiting == 1

    run(test())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"seen": "x", "reply": "once", "sean": 1},
        {"seen": "SEEN", "reply": "perhaps"},
        {"seen": "SEEN", "reply": "once", "reject": True},
        {"seen": "SEEN"},
        {"seen": "SEEN", "answers": [["a"]]},
        {"seen": "SEEN", "reply": 1},
        [],
    ],
)
def test_invalid_answers_send_nothing(with_page: AtWork, body: Any) -> None:
    async def test() -> None:
        async with with_page() as (running, link, client), client.live() as live:
            await link.event("permission.asked", **ASK)
            seen = (await live.first_request())["seen"]
            filled = json.loads(json.dumps(body).replace("SEEN", seen))
            status, answer = await client.call("POST", "/api/requests/per_1/reply", filled)
            assert status == 400 or (status, answer["ok"]) == (200, False)
            assert running.waiting == 1
            assert not running.paths.audit.exists()

    run(test())


@pytest.mark.parametrize("body", [b"{", b'{"code": "\xff"}', b"[" * 60_000, b'{"code": "\\ud800"}', b'{"code": 1}'])
def test_a_body_that_is_no_json_of_the_call_is_a_bad_request(with_page: AtWork, body: bytes) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            headers = {"Content-Type": "application/json"}
            async with client.session.post(f"{client.address}/api/pair", data=body, headers=headers) as answer:
                assert (answer.status, "error" in await answer.json()) == (400, True)

    run(test())


@pytest.mark.parametrize(("scope", "once", "always"), [(Scope.WATCH, 403, 403), (Scope.ANSWER, 200, 403)])
def test_a_weaker_scope_answers_less(with_page: AtWork, scope: Scope, once: int, always: int) -> None:
    async def test() -> None:
        async with with_page() as (running, link, owner):
            client = await PageClient.pair(owner.session, running, "Weaker", scope)
            await link.event("permission.asked", **ASK, always=["ls *"])
            async with client.live() as live:
                seen = (await live.first_request())["seen"]

            async def reply(verdict: str) -> int:
                body = {"reply": verdict, "seen": seen}
                return (await client.call("POST", "/api/requests/per_1/reply", body))[0]

            assert await reply("always") == always
            assert (await client.call("POST", f"/api/sessions/{SES}/prompt", {"text": "x"}))[0] == 403
            assert (await client.call("DELETE", f"/api/sessions/{SES}", {"confirm": "x"}))[0] == 403
            assert (await client.call("GET", "/api/devices"))[0] == 403
            assert running.waiting == 1
            work = [reply("once")] if once == 403 else [reply("once"), confirm(link)]
            assert (await asyncio.gather(*work))[0] == once

    run(test())


def test_a_revoked_device_is_disconnected_within_a_second(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, _, client), client.live() as live:
            await live.read()
            (device,) = (await running.choose(ListDevices())).result
            started = asyncio.get_running_loop().time()
            assert (await running.choose(RevokeDevice(device["id"]))).ok
            closed = await live.socket.receive(timeout=5)
            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, PageClose.UNAUTHORIZED)
            assert asyncio.get_running_loop().time() - started < 1
            assert (await client.call("GET", "/api/me"))[0] == 401

    run(test())


def test_the_token_of_a_device_is_no_login(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            token = PageClient(client.session, client.address, client.device.token)
            assert (await token.call("GET", "/api/me"))[0] == 401

    run(test())


@pytest.mark.parametrize("nonce", ["", "ab" * 15, "AB" * 16, "ab" * 16 + "\n", "ab" * 16 + "\nab", "é" * 32])
def test_a_login_needs_a_whole_nonce(with_page: AtWork, nonce: str) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            status, answer = await client.call("POST", "/api/login", {"device": client.device.id, "nonce": nonce})
            assert (status, "proof" in answer) == (400, False)

    run(test())


def test_devices_revoke_each_other_and_themselves(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (running, _, client):
            other = await PageClient.pair(client.session, running, "Other")
            devices = (await client.call("GET", "/api/devices"))[1]["devices"]
            assert [(device["name"], device["is_own"]) for device in devices] == [("Test", True), ("Other", False)]
            assert not any(key in devices[0] for key in ("token", "push"))
            assert (await client.call("DELETE", f"/api/devices/{devices[1]['id']}", {}))[0] == 200
            assert (await other.call("GET", "/api/me"))[0] == 401
            assert (await client.call("DELETE", "/api/me", {}))[0] == 200
            assert (await client.call("GET", "/api/me"))[0] == 401

    run(test())


def test_guessing_is_limited(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            guess = PageClient(client.session, client.address, "guess")
            statuses = [(await guess.call("GET", "/api/me"))[0] for _ in range(FAILURES + 1)]
            assert statuses == [401] * FAILURES + [429]
            assert (await guess.call("POST", "/api/pair", {"code": "guess"}))[0] == 429
            assert (await guess.call("POST", "/api/login", PairedDevice("guess", "").login_body()))[0] == 429
            await client.log_in(client.device)  # a process that guesses locks no user out
            assert (await client.call("GET", "/api/me"))[0] == 200

    run(test())


def test_answers_and_sockets_of_a_device_are_limited(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client), AsyncExitStack() as stack:
            calls = [await client.call("POST", "/api/requests/x/reply", {"seen": ""}) for _ in range(ANSWERS + 1)]
            assert [status for status, _ in calls] == [404] * ANSWERS + [429]
            openings = [client.session.ws_connect(f"{client.address}/ws") for _ in range(MAX_OF_DEVICE + 1)]
            sockets = [await stack.enter_async_context(opening) for opening in openings]
            for ws in sockets:
                await ws.send_json({"auth": client.login})
                message = await ws.receive(timeout=5)
            assert message.type is aiohttp.WSMsgType.CLOSE
            assert sockets[-1].close_code == PageClose.TOO_MANY

    run(test())


def test_sockets_without_a_device_leave_room_for_those_with_one(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client), client.live() as first, AsyncExitStack() as stack:
            await first.read()

            async def connect() -> aiohttp.ClientWebSocketResponse:
                return await stack.enter_async_context(client.session.ws_connect(f"{client.address}/ws"))

            silent = [await connect() for _ in range(MAX_PENDING)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await connect()
            assert refused.value.status == 429
            await silent[0].send_json({"auth": client.login})
            assert (await silent[0].receive_json(timeout=5))["type"] == "view"
            await connect()  # there is a place again

    run(test())


@pytest.mark.fault
def test_browsers_that_end_within_a_request_leave_neither_an_error_nor_a_socket(
    with_page: AtWork, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            address = urlsplit(client.address)
            upgrade = (
                f"GET /ws HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            cut = b"\x81\xfe\x00"  # the beginning of a frame
            body = (
                f"POST /api/login HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
                "Content-Length: 200\r\n\r\n{"
            )
            begun = [*(upgrade.encode() + rest for rest in (b"", cut, MASKED_TEXT, MASKED_CLOSE)), body.encode()]
            for _ in range(MAX_PENDING):
                for sent in begun:
                    with socket.create_connection((address.hostname, address.port)) as browser:
                        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset
                        browser.sendall(sent)
                        await asyncio.sleep(0)
            async with client.live() as live:
                assert (await live.read())["type"] == "view"

    run(test())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:41236"}, 421),
        ({"Host": "100.64.1.2"}, 421),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"User-Agent": "Mozilla/5.0"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_hostile_page_reaches_nothing_even_with_a_token(with_page: AtWork, headers: Any, status: int) -> None:
    async def test() -> None:
        async with with_page() as (running, link, client), client.live() as live:
            await link.event("permission.asked", **ASK)
            body = {"reply": "once", "seen": (await live.first_request())["seen"]}
            assert (await client.call("POST", "/api/requests/per_1/reply", body, **headers))[0] == status
            assert running.waiting == 1

    run(test())


def test_a_large_body_is_refused(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, __, client):
            assert (await client.call("POST", f"/api/sessions/{SES}/prompt", {"text": "x" * 70_000}))[0] == 413

    run(test())


def test_a_session_is_described_commanded_and_deleted_with_its_name(with_page: AtWork) -> None:
    async def test() -> None:
        async with with_page() as (_, link, client):
            status, found = await client.call("GET", f"/api/sessions/{SES}")
            assert (status, found["session"]["title"]) == (200, "Work")
            sentence = next(c["confirm"] for c in found["commands"] if c["name"] == "delete")
            assert sentence == "Permanently delete “Work”"
            wrong = await client.call("DELETE", f"/api/sessions/{SES}", {"confirm": "Permanently delete “Other”"})
            assert wrong == (409, {"error": CHANGED})

            async def answer(result: Any) -> str:
                call = await link.receive()
                await link.send({"id": call["id"], "result": result})
                return str(call["method"])

            for method, path, body, result, wanted in (
                ("POST", "prompt", {"text": "go on"}, {}, "session.prompt"),
                ("POST", "rename", {"title": "New"}, {}, "session.update"),
                ("POST", "fork", {}, {"id": "ses_2"}, "session.fork"),
                ("DELETE", "", {"confirm": sentence}, True, "session.delete"),
            ):
                call = client.call(method, f"/api/sessions/{SES}/{path}".rstrip("/"), body)
                (status, done), called = await asyncio.gather(call, answer(result))
                assert (status, done["ok"], called) == (200, True, wanted)
            assert (await client.call("POST", f"/api/sessions/{SES}/quit", {}))[0] == 404
            assert (await client.call("POST", "/api/sessions/ses_9/prompt", {"text": "x"}))[0] == 404
            assert (await client.call("POST", f"/api/sessions/{SES}/mute", {"duration": "x"}))[0] == 400
            assert (await client.call("POST", f"/api/sessions/{SES}/mute", {"duration": "2h"}))[1]["ok"]

    run(test())


def test_messages_todos_and_changes_are_read_from_opencode(with_page: AtWork) -> None:
    message = {
        "info": {"role": "assistant", "agent": "build", "time": {"created": 5}, "error": {"data": {"message": "no"}}},
        "parts": [
            {"type": "text", "text": "**done** <script>"},
            {
                "type": "tool",
                "tool": "bash",
                "state": {"status": "error", "title": "ls", "time": {"start": 6, "end": 9}},
            },
        ],
    }

    async def test() -> None:
        async with with_page() as (_, link, client):

            async def read(path: str, result: Any) -> Any:
                async def answer() -> None:
                    call = await link.receive()
                    await link.send({"id": call["id"], "result": result})

                got, _ = await asyncio.gather(client.call("GET", f"/api/sessions/{SES}/{path}"), answer())
                return got[1]

            shown = (await read("messages?limit=5", [message]))["messages"][0]
            assert (shown["author"], shown["at"], shown["error"]) == ("build", 5, "no")
            assert shown["parts"][0]["nodes"] == [["p", {}, ["strong", {}, "done"], " <script>"]]
            assert shown["parts"][1] == {"tool": "bash", "title": "ls", "status": "error", "at": 6, "took": 3}
            files = [{"file": "a.py", "additions": 1, "deletions": 0, "patch": "@@ -0 +1 @@\n+x"}]
            assert (await read("diff", files))["files"][0]["lines"] == ["@@ -0 +1 @@", "+x"]
            assert await read("draft", {"text": "begin" + "x" * 8_000}) == {"text": "x" * 8_000}
            assert await read("draft", {"text": 5}) == {"text": ""}
            todos = [{"content": "write", "status": "pending"}]
            assert (await read("todos", todos))["todos"] == todos

    run(test())


def test_a_port_in_use_is_a_problem_not_an_error(tmp_path: Path) -> None:
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            async with RunningApp(tmp_path, page_port=port) as running:
                labels = [item.label for item in walk(running.app.view().menu)]
                owner = f"(pid {os.getpid()}) has it"
                assert any(f"port {port} cannot be used" in label and owner in label for label in labels)
                with pytest.raises(AssertionError, match="no page"):
                    await new_address(running)

    run(test())
