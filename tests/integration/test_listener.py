"""The listener over real sockets: connecting, refusals with their codes, frames, calls, and disconnecting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from fakes import FRAMES, TOKEN, FakePlugin, RunningListener, connection, plugin, running_listener
from tray.actions.attach.target import is_local
from tray.core.events import ServerLost, SnapshotTaken
from tray.core.handshake import Side, proof
from tray.core.remotes import Remote
from tray.core.sessions import RequestKind
from tray.core.source_calls import CallError
from tray.opencode import turn
from tray.sources.plugin import authentication, listener, rate_limited_warnings
from tray.sources.plugin import connection as plugin_connection
from tray.sources.plugin.authentication import Authenticator
from tray.sources.plugin.close_codes import RejectedError
from tray.sources.plugin.handshake import decode_hello
from tray.system.own_host import own_host
from waiting import until_async as until

HELLO_1 = FRAMES["protocol1"]["hello"]
HELLO_WITHOUT_TOKEN = {key: value for key, value in HELLO_1.items() if key != "authToken"}
SES = "ses_1"
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "patterns": ["ls"], "metadata": {"command": "ls -la"}}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


async def introduce(peer: FakePlugin, **snapshot: Any) -> None:
    await peer.send({"type": "snapshot", "sessions": [{"id": SES, "title": "Work"}], "status": {}, **snapshot})


# ---------------------------------------------------------------------- accepted connections


def test_the_proofs_of_the_example_frames_match_their_token() -> None:
    hello, challenge, token = FRAMES["hello"], FRAMES["challenge"], FRAMES["token"]
    nonces = (hello["instance"], hello["nonce"], challenge["nonce"])
    assert challenge["proof"] == proof(Side.TRAY, token, *nonces)
    assert FRAMES["auth"]["proof"] == proof(Side.PLUGIN, token, *nonces)


def test_every_example_frame_is_accepted() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await peer.send(FRAMES["snapshot"], *FRAMES["events"])
            await peer.event("permission.asked", **ASK)
            row = await until(lambda: at.index.row(SES))
            assert row.server.verified
            assert row.server.place.tty == FRAMES["hello"]["place"].get("tty", "")
            assert row.server.version == FRAMES["hello"]["opencode"]

    run(test())


def test_a_permission_and_its_answer_are_reported() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await introduce(peer)
            await peer.event("permission.asked", **ASK)
            await until(lambda: at.status(SES) == "waiting_for_permission")
            await peer.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await until(lambda: at.status(SES) == "idle")

    run(test())


@pytest.mark.parametrize("runs_here", [True, False])
def test_a_plugin_with_another_host_name_is_on_this_machine_if_its_process_holds_the_connection(
    runs_here: bool,
) -> None:
    async def test() -> None:
        pid = os.getpid() if runs_here else os.getppid()
        async with running_listener() as at, plugin(at, hostname="renamed", pid=pid) as peer:
            await introduce(peer)
            row = await until(lambda: at.index.row(SES))
            assert row.server.host == (own_host() if runs_here else "renamed")
            assert is_local(row.server) is runs_here

    run(test())


@pytest.mark.parametrize(
    ("name", "holds", "local", "wsl"),
    [
        (own_host(), True, True, ""),  # the tray runs in the same distribution
        (own_host(), False, False, "Ubuntu"),
        (own_host().upper(), False, False, "Ubuntu"),
        ("another-laptop", False, False, ""),  # through a tunnel
    ],
)
def test_a_plugin_in_wsl_is_on_another_machine_unless_its_process_is_here(
    name: str, holds: bool, local: bool, wsl: str
) -> None:
    async def test() -> None:
        place, pid = {"wsl": "Ubuntu", "program": "/opt/opencode"}, os.getpid() if holds else os.getppid()
        async with running_listener() as at, plugin(at, hostname=name, pid=pid, place=place) as peer:
            await introduce(peer)
            server = (await until(lambda: at.index.row(SES))).server
            assert (is_local(server), server.wsl) == (local, wsl)
            assert server.opencode == ("/opt/opencode" if wsl else "opencode")
            assert server.host == (f"{name} (Ubuntu)" if wsl else name)

    run(test())


def test_two_instances_of_one_process_have_two_connections() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at, instance="one") as first, plugin(at, instance="two") as second:
            await introduce(first)
            await second.send({"type": "snapshot", "sessions": [{"id": "ses_2"}]})
            await until(lambda: at.status(SES) and at.status("ses_2"))
            await first.socket.close()
            await until(lambda: at.status(SES) == "disconnected")
            assert at.status("ses_2") == "idle"

    run(test())


def test_a_reconnect_replaces_the_old_connection_without_a_loss() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as old:
            await introduce(old)
            await until(lambda: at.status(SES))
            async with plugin(at) as new:
                await introduce(new)
                assert await old.closed_with() == 4409
                await new.event("session.status", sessionID=SES, status={"type": "busy"})
                await until(lambda: at.status(SES) == "busy")
                assert not [event for event in at.events if isinstance(event, ServerLost)]

    run(test())


def test_a_plugin_with_the_token_of_its_machine_has_its_own_id_and_no_address_here() -> None:
    remote = Remote("desk-1", "me@far.example", "far")

    async def test() -> None:
        found = {"desk-1": (remote, "token-of-far")}
        async with running_listener(remote=found.get) as at, connection(f"http://127.0.0.1:{at.port}/") as peer:
            own = {"key": "desk-1", "serverUrl": "http://127.0.0.1:4096"}
            await peer.authenticate("token-of-far", **own)
            await introduce(peer)
            await until(lambda: at.status(SES))
            (server,) = at.fleet.servers.values()
            assert server.id == f"desk-1/{FRAMES['hello']['instance']}"
            assert (server.key, server.ssh, server.url) == ("desk-1", "me@far.example", None)
            assert server.host == "far"  # whatever it reports

    run(test())


def test_only_plugins_with_the_token_of_their_machine_are_accepted_through_a_tunnel() -> None:
    async def test() -> None:
        found = {"desk-1": (Remote("desk-1", "far"), "token-of-far")}
        running = RunningListener(remote=found.get)
        running.listener.serve_clients("/client", lambda _: asyncio.sleep(0))
        await running.listener.start("127.0.0.1", 0)
        port = await running.listener.open_tunnel_port()
        assert await running.listener.open_tunnel_port() == port
        for refused in (HELLO_1, HELLO_WITHOUT_TOKEN, FRAMES["hello"], {**HELLO_1, "key": "desk-1"}):
            async with connection(f"http://127.0.0.1:{port}/") as peer:
                await peer.send(refused)
                assert await peer.closed_with() == 4401
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            async with connection(f"http://127.0.0.1:{port}/client"):
                pass
        async with aiohttp.ClientSession() as client:
            for path in ("", "events"):
                answer = await client.post(f"http://127.0.0.1:{port}/{path}", headers={"X-API-Key": TOKEN}, json={})
                assert answer.status == 403
        assert running.fleet.servers == {}
        async with connection(f"http://127.0.0.1:{port}/") as peer:
            await peer.authenticate("token-of-far", key="desk-1")
            await introduce(peer)
            await until(lambda: running.status(SES))
        await running.listener.stop()

    run(test())


def test_a_machine_that_is_removed_during_the_handshake_is_refused() -> None:
    async def test() -> None:
        found = {"desk-1": (Remote("desk-1", "far"), "token-of-far")}
        async with running_listener(remote=found.get) as at, connection(f"http://127.0.0.1:{at.port}/") as peer:
            await peer.send({**FRAMES["hello"], "key": "desk-1"})
            challenge = await peer.receive()
            del found["desk-1"]
            nonces = (FRAMES["hello"]["instance"], FRAMES["hello"]["nonce"], challenge["nonce"])
            await peer.send({"type": "auth", "proof": proof(Side.PLUGIN, "token-of-far", *nonces)})
            assert (await peer.receive())["type"] == "welcome"
            assert await peer.closed_with() == 4401
            assert at.fleet.servers == {}

    run(test())


@pytest.mark.parametrize("key", ["other", "desk-1"])
def test_a_token_of_a_machine_is_refused_without_its_key_or_after_it_was_revoked(key: str) -> None:
    async def test() -> None:
        found: dict[str, tuple[Remote, str]] = {}
        async with running_listener(remote=found.get) as at, connection(f"http://127.0.0.1:{at.port}/") as peer:
            await peer.send({**FRAMES["hello"], "key": key})
            assert await peer.closed_with() == 4401
            assert at.fleet.servers == {}

    run(test())


def test_commands_are_refused_with_the_token_of_a_machine() -> None:
    async def test() -> None:
        found = {"desk-1": (Remote("desk-1", "far"), "token-of-far")}
        running = RunningListener(remote=found.get)
        running.listener.serve_clients("/client", lambda _: asyncio.sleep(0))
        port = await running.listener.start("127.0.0.1", 0)
        async with connection(f"http://127.0.0.1:{port}/client") as peer:
            await peer.send({**FRAMES["hello"], "key": "desk-1"})
            assert await peer.closed_with() == 4401
        await running.listener.stop()

    run(test())


@pytest.mark.parametrize("goodbye", [True, False])
def test_a_loss_with_goodbye_differs_from_one_without(goodbye: bool) -> None:
    async def test() -> None:
        async with running_listener() as at:
            async with plugin(at) as peer:
                await introduce(peer)
                if goodbye:
                    await peer.send({"type": "goodbye"})
            lost = await until(lambda: [event for event in at.events if isinstance(event, ServerLost)])
            assert lost[0].goodbye is goodbye

    run(test())


@pytest.mark.fault
def test_a_process_killed_in_the_middle_of_a_frame_is_disconnected() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await introduce(peer)
            await until(lambda: at.status(SES))
            transport = peer.socket._response.connection.transport  # noqa: SLF001  # the socket under the socket
            transport.write(b"\x81\xfe\x7f")
            transport.abort()
            await until(lambda: at.status(SES) == "disconnected")

    run(test())


def test_a_plugin_connects_over_ipv6() -> None:
    async def test() -> None:
        async with running_listener(host="::1") as at, connection(f"http://[::1]:{at.port}/") as peer:
            await peer.authenticate()
            await introduce(peer)
            await until(lambda: at.status(SES))

    run(test())


# ---------------------------------------------------------------------- the plugin of opencode-monitor


async def answer_reads(peer: FakePlugin, answers: dict[str, Any], asked: list[str]) -> None:
    while (call := await peer.receive()) is not None:
        name = call["method"] + call.get("params", {}).get("url", "")
        asked.append(name)
        if name in answers:
            await peer.send({"id": call["id"], "result": answers[name]})
        else:
            await peer.send({"id": call["id"], "error": {"code": -1, "message": "no such thing"}})


READS = {
    "session.list": [{"id": SES, "title": "Old work", "time": {"updated": 1_795_237_280_000}}, {"id": "ses_ancient"}],
    "session.status": {SES: {"type": "busy"}},
    "_client.get/permission": [ASK],
    "config.providers": {"providers": [{"id": "fake", "models": {"fake-1": {"limit": {"context": 8000}}}}]},
    "session.messages": [
        {"info": {"id": "msg_1", "role": "user"}, "parts": [{"type": "text", "text": "secret prompt"}]},
        {
            "info": {
                "id": "msg_2",
                "role": "assistant",
                "modelID": "fake-1",
                "providerID": "fake",
                "cost": 0.5,
                "tokens": {"input": 3000, "output": 1000},
                "finish": "tool-calls",
            },
            "parts": [
                {"type": "text", "text": "one\ntwo"},
                {"type": "tool", "tool": "bash", "state": {"status": "running"}},
            ],
        },
    ],
}
ALLOWED_READS = {
    "session.list",
    "session.status",
    "session.messages",
    "config.providers",
    "_client.get/permission",
    "_client.get/question",
}


@pytest.mark.parametrize(("hello", "verified"), [({**HELLO_1, "authToken": TOKEN}, True), (HELLO_WITHOUT_TOKEN, False)])
def test_only_reads_are_sent_to_the_plugin_of_opencode_monitor(hello: dict[str, Any], verified: bool) -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            asked: list[str] = []
            await peer.send(hello)
            answering = asyncio.create_task(answer_reads(peer, READS, asked))
            row = await until(lambda: at.index.row(SES))
            await until(lambda: at.status(SES) == "waiting_for_permission")
            assert row.server.verified is verified
            assert at.index.row("ses_ancient") is None
            session = at.fleet.sessions[row.key]
            assert (session.messages, session.last_output, session.tool, session.cost) == (2, "two", "bash", 0.5)
            assert at.fleet.limits[row.server.id] == {"fake/fake-1": 8000}
            assert set(asked) == ALLOWED_READS
            await peer.event("permission.replied", sessionID=SES, permissionID="per_1", response="once")
            await until(lambda: at.status(SES) == "busy")
            answering.cancel()

    run(test())


def test_an_event_during_the_reads_is_newer_than_the_snapshot() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await peer.send(HELLO_WITHOUT_TOKEN)
            first = await peer.receive()
            await peer.event("permission.asked", **ASK)  # after the snapshot was begun, before it was taken
            await peer.send({"id": first["id"], "result": [{"id": SES, "time": {"updated": at.at}}]})
            answering = asyncio.create_task(answer_reads(peer, {"_client.get/permission": []}, []))
            await until(lambda: at.status(SES) == "waiting_for_permission")
            answering.cancel()

    run(test())


def test_a_snapshot_is_read_again_if_too_many_events_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_connection, "MAX_HELD", 1)

    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await peer.send(HELLO_WITHOUT_TOKEN)
            first = await peer.receive()
            await peer.event("permission.asked", **ASK)
            await peer.event("permission.replied", sessionID=SES, permissionID="per_1", response="once")  # not held
            await peer.send({"id": first["id"], "result": [{"id": SES, "time": {"updated": at.at}}]})
            reads = {"session.list": READS["session.list"], "session.status": {}, "_client.get/permission": []}
            answering = asyncio.create_task(answer_reads(peer, reads, []))
            await until(lambda: len([event for event in at.events if isinstance(event, SnapshotTaken)]) == 2)
            assert at.status(SES) == "idle"
            answering.cancel()

    run(test())


def test_two_protocol_1_instances_with_the_same_id_have_two_connections() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as first, connection(at.url) as second:
            await first.send(HELLO_WITHOUT_TOKEN)
            await until(lambda: len(at.listener.connections) == 1)
            await second.send(HELLO_WITHOUT_TOKEN)
            await until(lambda: len(at.listener.connections) == 2)

    run(test())


def test_the_host_auto_in_a_url_is_replaced_by_the_remote_address() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await peer.send({**HELLO_WITHOUT_TOKEN, "serverUrl": "http://AUTO:4096"})
            server = await until(lambda: next(iter(at.fleet.servers.values()), None))
            assert server.url == "http://127.0.0.1:4096"

    run(test())


# ---------------------------------------------------------------------- refused connections and bad frames


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Host": "["}, 421),
        ({"Host": "[::bad"}, 421),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:41235"}, 421),
        ({"Host": "100.64.1.2:41235"}, 421),  # a VPN in user space that forwards to loopback
        ({"Host": "0.0.0.0"}, 421),  # noqa: S104
        ({"Host": "169.254.1.1"}, 421),
        ({"Host": ""}, 421),
    ],
)
def test_requests_with_a_foreign_origin_or_host_are_refused(headers: dict[str, str], status: int) -> None:
    async def test() -> None:
        async with running_listener() as at:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with connection(at.url, headers=headers):
                    pass
            assert refused.value.status == status

    run(test())


def test_a_request_without_a_host_is_refused_without_a_dns_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost")

    async def test() -> None:
        async with running_listener() as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert b" 421 " in await asyncio.wait_for(reader.readline(), 5)
            writer.close()

    run(test())


def test_a_plain_http_request_gets_426_and_the_programs_name() -> None:
    async def test() -> None:
        async with running_listener() as at, aiohttp.ClientSession() as session, session.get(at.url) as answer:
            assert answer.status == 426
            assert "OpenCode Tray" in await answer.text()

    run(test())


async def _wrong_proof(peer: FakePlugin) -> None:
    await peer.send(FRAMES["hello"])
    await peer.receive()
    await peer.send({"type": "auth", "proof": "0" * 64})


async def _replayed_proof(peer: FakePlugin) -> None:
    await peer.send(FRAMES["hello"])
    challenge = await peer.receive()
    await peer.send({"type": "auth", "proof": challenge["proof"]})


async def _hello_then_event(peer: FakePlugin) -> None:
    await peer.send(FRAMES["hello"])
    await peer.receive()
    await peer.event("permission.asked", **ASK)


FAILED_HANDSHAKES: list[tuple[str, Any, int]] = [
    ("an event before hello", {"type": "event", "event": {"type": "session.idle"}}, 4400),
    ("no JSON", "hello", 4400),
    ("an unsupported protocol", {**FRAMES["hello"], "protocol": 3}, 4400),
    ("a hello without nonce", {key: value for key, value in FRAMES["hello"].items() if key != "nonce"}, 4400),
    ("a hello with a wrong instance", {**FRAMES["hello"], "instance": "../../x"}, 4400),
    ("a wrong token of opencode-monitor", {**HELLO_1, "authToken": "wrong"}, 1008),
    ("a wrong proof", _wrong_proof, 4401),
    ("the tray's own proof sent back", _replayed_proof, 4401),
    ("an event before auth", _hello_then_event, 4400),
]


@pytest.mark.parametrize(("name", "sent", "code"), FAILED_HANDSHAKES, ids=[name for name, _, _ in FAILED_HANDSHAKES])
def test_each_failed_handshake_has_its_close_code(name: str, sent: Any, code: int) -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await (sent(peer) if callable(sent) else peer.send(sent))
            assert await peer.closed_with() == code
            assert at.events == []

    run(test())


@pytest.mark.parametrize("start", ["", "x"])
def test_the_reason_of_a_close_is_not_cut_within_a_character(start: str) -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await peer.send({"type": start + "é" * 200})
            assert await peer.closed_with() == 4400

    run(test())


def test_pings_do_not_extend_the_timeout_of_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "HELLO_TIMEOUT", 0.3)

    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:

            async def ping() -> None:
                while not peer.socket.closed:
                    await peer.socket.ping()
                    await asyncio.sleep(0.05)

            pinging = asyncio.create_task(ping())
            assert await peer.closed_with() == 4408
            pinging.cancel()

    run(test())


def test_invalid_entries_of_a_snapshot_are_left_out_alone() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await peer.send(
                {
                    "type": "snapshot",
                    "sessions": [{"id": SES}, {"id": 5}, {"id": "ses_2"}, "?"],
                    "status": {SES: {"type": "something new"}, "ses_2": {"type": "busy"}},
                    "permissions": [{"id": 7}, ASK],
                    "questions": "none",
                    "todos": {SES: [{"content": 5}, {"content": "Test"}], "ses_2": 7},
                    "limits": {"a/b": "many", "c/d": 8000},
                }
            )
            await until(lambda: at.status("ses_2") == "busy")
            row = at.index.row(SES)
            assert row is not None
            assert (row.status.value, row.session.activity.value) == ("waiting_for_permission", "busy")
            assert [todo.content for todo in row.session.todos] == ["Test"]
            assert list(at.fleet.limits.values()) == [{"c/d": 8000}]

    run(test())


def test_a_frame_with_too_many_sessions_is_cut_and_a_huge_cost_is_0() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            flood = [{"id": f"ses_{n}"} for n in range(20_000)]
            await peer.send({"type": "snapshot", "sessions": flood, "permissions": []})
            await peer.send('["session.updated",{"info":{"id":"ses_1","cost":1' + "0" * 400 + "}}]")
            await peer.event("permission.asked", **{**ASK, "sessionID": "ses_1"})
            await until(lambda: at.status("ses_1") == "waiting_for_permission")
            assert len(at.fleet.sessions) <= 1000
            row = at.index.row("ses_1")
            assert row is not None
            assert row.cost == 0.0

    run(test())


def test_read_only_connections_are_few_and_cannot_send_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(authentication, "MAX_READ_ONLY", 1)

    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await peer.send(HELLO_WITHOUT_TOKEN, {"type": "snapshot", "sessions": [{"id": SES}]})
            await until(lambda: at.listener.connections)
            async with connection(at.url) as second:
                await second.send(HELLO_WITHOUT_TOKEN)
                assert await second.closed_with() == 1008
            assert at.status(SES) is None

    run(test())


def test_a_plugin_that_rejects_the_trays_proof_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await peer.send({**FRAMES["hello"], "serverName": "far\naway"})
            await peer.receive()
            await peer.socket.close(code=4401)  # as our plugin does when the tray's proof is wrong
            await until(lambda: "far away: its token differs from the tray's" in caplog.text)

    run(test())


def test_refusals_are_logged_once_a_second_with_their_number(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limited_warnings, "INTERVAL", 0.2)

    async def refused(at: RunningListener, session: aiohttp.ClientSession) -> None:
        async with session.get(at.url, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421

    async def test() -> None:
        async with running_listener() as at, aiohttp.ClientSession() as session:
            for _ in range(20):
                await refused(at, session)
            await until(lambda: "the newest of" in caplog.text)
            await refused(at, session)

    run(test())
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(lines) < 21
    counted = [int(found[1]) if (found := re.search(r"newest of (\d+)", line)) else 1 for line in lines]
    assert sum(counted) == 21


@pytest.mark.parametrize("remote", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "", "nonsense"])
def test_without_a_token_only_loopback_addresses_may_connect(remote: str) -> None:
    authenticator = Authenticator(lambda: TOKEN, lambda: 0)
    hello = decode_hello(json.dumps(HELLO_WITHOUT_TOKEN).encode())
    with pytest.raises(RejectedError, match="only this machine"):
        authenticator.check_opencode_monitor(hello, remote)
    authenticator.check_opencode_monitor(hello, "::ffff:127.0.0.1")


def test_lone_surrogates_in_titles_and_commands_are_replaced() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            half = "\ud83d..."  # sent as the escape that OpenCode sends
            await peer.send({"type": "snapshot", "sessions": [{"id": SES, "title": half}], "status": {}})
            await peer.event("permission.asked", **{**ASK, "metadata": {"command": half}})
            await until(lambda: at.status(SES) == "waiting_for_permission")
            row = at.index.row(SES)
            assert row is not None
            assert row.session.title == "\ufffd..."
            assert row.requests[0].detail == "\ufffd..."

    run(test())


def test_a_binary_frame_is_refused_before_and_after_hello() -> None:
    async def test() -> None:
        async with running_listener() as at:
            async with connection(at.url) as peer:
                await peer.socket.send_bytes(b"hello")
                assert await peer.closed_with() == 1003
            async with plugin(at) as peer:
                await peer.socket.send_bytes(b"event")
                assert await peer.closed_with() == 1003

    run(test())


def test_a_frame_over_four_mebibytes_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            with contextlib.suppress(ConnectionError):  # it does not wait for the end of the frame
                await peer.send({"type": "event", "event": {"type": "x", "properties": {"text": "x" * (4 << 20)}}})
            assert await peer.closed_with() in (1009, 1006)  # 1006: the rest of our frame was still under way
            await until(lambda: not at.listener.connections)
            assert "exceeds limit" in caplog.text

    run(test())


def test_a_peer_that_answers_no_ping_is_disconnected_and_not_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "SILENCE", 0.2)

    async def test() -> None:
        async with running_listener() as at, connection(at.url, autoping=False) as peer:
            await peer.authenticate()
            await introduce(peer)
            await until(lambda: at.status(SES) == "disconnected")
            lost = [event for event in at.events if isinstance(event, ServerLost)]
            assert [event.goodbye for event in lost] == [False]
            assert "refused" not in caplog.text

    run(test())


def test_a_dead_peer_is_detected_within_45_s() -> None:
    assert listener.SILENCE * 1.5 <= 45  # aiohttp closes when a pong takes longer than half of it


def test_a_peer_that_sends_all_the_time_is_pinged_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin disconnects from a tray that has sent no ping for 65 s."""
    monkeypatch.setattr(listener, "PING_EVERY", 0.2)
    monkeypatch.setattr(listener, "SILENCE", 0.3)

    async def test() -> None:
        async with running_listener() as at, connection(at.url, autoping=False) as peer:
            await peer.authenticate()
            await introduce(peer)

            async def speak() -> None:
                while True:
                    await peer.event("session.status", sessionID=SES, status={"type": "busy"})
                    await asyncio.sleep(0.01)

            speaking = asyncio.create_task(speak())
            for _ in range(4):
                while (await asyncio.wait_for(peer.socket.receive(), 5)).type is not aiohttp.WSMsgType.PING:
                    pass
                await peer.socket.pong()
            speaking.cancel()
            assert at.status(SES) == "busy"

    run(test())


@pytest.mark.fault
@pytest.mark.parametrize(
    "frames",
    [
        [["vcs.branch.updated", {"branch": "x"}, 3]],
        [["vcs.branch.updated", {"branch": "x"}, 2], ["vcs.branch.updated", {"branch": "x"}, 2]],
        [{"type": "snapshot", "number": 7}],
        ["[spoiled"],
    ],
    ids=["lost", "doubled", "lost before a snapshot", "spoiled"],
)
def test_after_a_frame_that_was_lost_doubled_or_spoiled_a_snapshot_is_requested(
    monkeypatch: pytest.MonkeyPatch, frames: list[Any]
) -> None:
    monkeypatch.setattr(listener, "REREAD_DELAY", 0.1)

    async def test() -> None:
        async with running_listener() as running, connection(running.url) as peer:
            await peer.authenticate()
            await peer.send({"type": "snapshot", "number": 1}, *frames)
            assert (await peer.receive())["method"] == "snapshot"

    run(test())


def test_the_late_answer_to_an_abandoned_call_is_ignored() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            (server,) = await until(lambda: at.listener.connections)
            calling = asyncio.create_task(at.listener.call(server, "tui.select", {}))
            call = await peer.receive()
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            await peer.send({"id": call["id"], "result": {}})
            again = asyncio.create_task(at.listener.call(server, "session.todo", {}))
            call = await peer.receive()
            await peer.send({"id": call["id"], "result": [1]})
            assert await again == [1]

    run(test())


def test_an_invalid_answer_is_a_call_error() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            (server,) = await until(lambda: at.listener.connections)
            calling = asyncio.create_task(at.listener.call(server, "session.todo", {}))
            call = await peer.receive()
            await peer.send(f'{{"id":{call["id"]},"result":1e999}}')
            with pytest.raises(CallError, match="could not be read"):
                await calling

    run(test())


@pytest.mark.fault
def test_a_client_that_has_gone_before_its_request_is_read_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """As many plugins do while the tray is stopped."""

    async def test() -> None:
        async with running_listener() as running:
            request = (
                f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            )
            key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
            for _ in range(3):
                with socket.create_connection(("127.0.0.1", running.port)) as gone:
                    gone.sendall((request + key).encode())
            async with connection(running.url) as peer:
                await peer.authenticate()
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []

    run(test())


def test_a_tcp_connection_without_a_request_is_aborted() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            end = asyncio.create_task(reader.read())
            await until(lambda: at.listener.sweep() or end.done())  # a moment until the listener has the connection
            assert await end == b""
            writer.close()
            await peer.send({"type": "snapshot", "sessions": [{"id": SES}]})
            await peer.event("session.status", sessionID=SES, status={"type": "busy"})
            await until(lambda: at.status(SES) == "busy")

    run(test())


def test_an_answer_to_a_call_that_was_not_made_closes_with_4402() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await peer.send({"id": 77, "result": {}})
            assert await peer.closed_with() == 4402

    run(test())


def test_a_socket_without_hello_is_closed_with_4408() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            message = await asyncio.wait_for(peer.socket.receive(), 8)
            assert message.type is aiohttp.WSMsgType.CLOSE
            assert peer.socket.close_code == 4408

    run(test())


def test_at_most_32_sockets_wait_for_authentication() -> None:
    async def test() -> None:
        async with running_listener() as at, aiohttp.ClientSession() as session:
            sockets = [await session.ws_connect(at.url) for _ in range(32)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(at.url)
            assert refused.value.status == 503
            for waiting in sockets:
                await waiting.close()
            async with plugin(at) as peer:
                await introduce(peer)
                await until(lambda: at.status(SES))

    run(test())


BAD_FRAMES = [
    "{",
    "[]",
    '"text"',
    "\x00",
    {"type": "nonsense"},
    {},
    {"type": 7},
    {"type": "event"},
    {"type": "event", "event": []},
    {"type": "event", "event": {"type": "session.status", "properties": {"sessionID": SES}}},
    {"type": "event", "event": {"type": "session.status", "properties": {"sessionID": 5, "status": {"type": "busy"}}}},
    {"type": "event", "event": {"type": "session.status", "properties": {"sessionID": SES, "status": {"type": "odd"}}}},
    {"type": "event", "event": {"type": "permission.asked", "properties": {"id": "p"}}},
    ["session.status"],
    ["session.status", {"sessionID": SES}],
    ["session.status", {"sessionID": SES, "status": {"type": "odd"}}],
    ["permission.asked", [], {}],
    {"type": "snapshot", "sessions": "all"},
    '{"type":"event","event":' + "[" * 5000 + "]" * 5000 + "}",
]


@pytest.mark.parametrize("frame", BAD_FRAMES, ids=range(len(BAD_FRAMES)))
def test_a_bad_frame_is_dropped_and_the_connection_stays(frame: Any) -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await introduce(peer)
            await peer.send(frame)
            await peer.event("permission.asked", **ASK)
            await until(lambda: at.status(SES) == "waiting_for_permission")

    run(test())


def test_the_101st_bad_frame_in_a_minute_closes_with_4429() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await peer.send(*["{"] * 101)
            assert await peer.closed_with() == 4429

    run(test())


def test_an_unknown_event_type_is_not_a_bad_frame() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            for _ in range(150):
                await peer.event("something.new", anything=[1, 2, 3])
            await introduce(peer)
            await until(lambda: at.status(SES))

    run(test())


def test_valid_sessions_and_requests_of_a_snapshot_stay() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            sessions = [{"id": SES}, {"title": "no id"}, 7, {"id": "ses_2"}]
            await peer.send({"type": "snapshot", "sessions": sessions, "permissions": [ASK, {"id": "p"}]})
            await until(lambda: at.status(SES) == "waiting_for_permission" and at.status("ses_2") == "idle")

    run(test())


# ---------------------------------------------------------------------- rereading and stopping


def test_reread_all_requests_a_snapshot_from_every_plugin() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await introduce(peer)
            await until(lambda: at.status(SES))
            at.listener.reread_all()
            call = await peer.receive()
            assert call["method"] == "snapshot"
            await introduce(peer, status={SES: {"type": "busy"}})
            await peer.send({"id": call["id"], "result": {}})
            await until(lambda: at.status(SES) == "busy")

    run(test())


def test_stop_closes_all_connections_within_two_seconds() -> None:
    async def test() -> None:
        at = RunningListener()
        at.port = await at.listener.start("127.0.0.1", 0)
        async with plugin(at, instance="one") as first, plugin(at, instance="two"), connection(at.url):
            await introduce(first)
            await until(lambda: at.status(SES))
            begin = asyncio.get_running_loop().time()
            stopping = asyncio.create_task(at.listener.stop())
            assert await first.closed_with() == 1001
            await stopping
            assert asyncio.get_running_loop().time() - begin < 2

    run(test())


def test_the_token_is_in_no_frame_that_the_listener_sends() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as peer:
            await peer.send(FRAMES["hello"])
            assert TOKEN not in json.dumps(await peer.receive())

    run(test())


def test_a_question_is_reported_with_its_options() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as peer:
            await introduce(peer)
            options = [{"label": "Red", "description": "warm"}, {"label": "Blue"}]
            questions = [{"question": "Which?", "header": "Colour", "options": options, "multiple": True}]
            await peer.event("question.asked", id="que_1", sessionID=SES, questions=questions)
            await until(lambda: at.status(SES) == "waiting_for_answer")
            row = at.index.row(SES)
            assert row is not None
            request = row.requests[0]
            assert (request.kind, request.title, request.detail) == (RequestKind.QUESTION, "Colour", "Which?")
            assert [option.label for option in request.questions[0].options] == ["Red", "Blue"]
            assert request.questions[0].multiple

    run(test())


def test_a_plugin_that_floods_leaves_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "TURN", 0.0)

    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await link.send({"type": "snapshot", "sessions": [{"id": "ses_1", "title": "Work"}], "status": {}})
            await until(lambda: at.status("ses_1"))
            sending = link.send(*[["session.status", {"sessionID": "ses_1", "status": {"type": "busy"}}]] * 400)
            flooding, taken = asyncio.create_task(sending), [len(at.events)]
            while taken[-1] < taken[0] + 400:
                await asyncio.sleep(0)  # the turn of another task
                taken.append(len(at.events))
            assert flooding.done()
            assert max(after - before for before, after in pairwise(taken)) == 1

    run(test())
