"""The listener over real sockets: who is let in, who is refused and how, and what a link's end means."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest

from fakes import FRAMES, TOKEN, FakePlugin, RunningListener, connection, plugin, running_listener, until
from tray.core.events import ServerLost
from tray.core.handshake import Side, proof
from tray.core.model import RequestKind
from tray.core.source_calls import CallError
from tray.sources.plugin import listener, rate_limited_warnings
from tray.sources.plugin.connection import Refused
from tray.sources.plugin.handshake import decode_hello

SEED = FRAMES["protocol1"]["hello"]
WATCH_ONLY = {key: value for key, value in SEED.items() if key != "authToken"}
SES = "ses_1"
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "patterns": ["ls"], "metadata": {"command": "ls -la"}}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


async def introduce(link: FakePlugin, **snapshot: Any) -> None:
    await link.send({"type": "snapshot", "sessions": [{"id": SES, "title": "Work"}], "status": {}, **snapshot})


# ---------------------------------------------------------------------- let in


def test_the_examples_of_the_protocol_page_prove_their_token() -> None:
    hello, challenge, token = FRAMES["hello"], FRAMES["challenge"], FRAMES["token"]
    nonces = (hello["instance"], hello["nonce"], challenge["nonce"])
    assert challenge["proof"] == proof(Side.TRAY, token, *nonces)
    assert FRAMES["auth"]["proof"] == proof(Side.PLUGIN, token, *nonces)


def test_every_example_frame_is_taken() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await link.send(FRAMES["snapshot"], *FRAMES["events"])
            await link.event("permission.asked", **ASK)
            row = await until(lambda: at.index.row(SES))
            assert row.server.verified
            assert row.server.place.tty == FRAMES["hello"]["place"].get("tty", "")
            assert row.server.opencode == FRAMES["hello"]["opencode"]

    run(test())


def test_a_permission_arrives_and_its_answer_too() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await introduce(link)
            await link.event("permission.asked", **ASK)
            await until(lambda: at.status(SES) == "waiting_for_permission")
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await until(lambda: at.status(SES) == "idle")

    run(test())


def test_two_instances_of_one_process_are_two_links() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at, instance="one") as one, plugin(at, instance="two") as two:
            await introduce(one)
            await two.send({"type": "snapshot", "sessions": [{"id": "ses_2"}]})
            await until(lambda: at.status(SES) and at.status("ses_2"))
            await one.socket.close()
            await until(lambda: at.status(SES) == "disconnected")
            assert at.status("ses_2") == "idle"

    run(test())


def test_a_reconnect_replaces_the_old_link_and_the_old_ones_end_changes_nothing() -> None:
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


@pytest.mark.parametrize("said", [True, False])
def test_a_goodbye_is_told_from_a_silent_loss(said: bool) -> None:
    async def test() -> None:
        async with running_listener() as at:
            async with plugin(at) as link:
                await introduce(link)
                if said:
                    await link.send({"type": "goodbye"})
            lost = await until(lambda: [event for event in at.events if isinstance(event, ServerLost)])
            assert lost[0].goodbye is said

    run(test())


def test_a_process_killed_in_the_middle_of_a_frame_is_a_lost_link() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await introduce(link)
            await until(lambda: at.status(SES))
            transport = link.socket._response.connection.transport  # noqa: SLF001  # the socket under the socket
            transport.write(b"\x81\xfe\x7f")
            transport.abort()
            await until(lambda: at.status(SES) == "disconnected")

    run(test())


def test_an_ipv6_listener_takes_plugins() -> None:
    async def test() -> None:
        async with running_listener(host="::1") as at, connection(f"http://[::1]:{at.port}/") as link:
            await link.authenticate()
            await introduce(link)
            await until(lambda: at.status(SES))

    run(test())


# ---------------------------------------------------------------------- opencode-monitor's own plugin


async def answer_reads(link: FakePlugin, answers: dict[str, Any], asked: list[str]) -> None:
    while (call := await link.receive()) is not None:
        name = call["method"] + call.get("params", {}).get("url", "")
        asked.append(name)
        if name in answers:
            await link.send({"id": call["id"], "result": answers[name]})
        else:
            await link.send({"id": call["id"], "error": {"code": -1, "message": "no such thing"}})


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


@pytest.mark.parametrize(("hello", "verified"), [({**SEED, "authToken": TOKEN}, True), (WATCH_ONLY, False)])
def test_the_seeds_plugin_works_unchanged_and_only_reads_are_sent_to_it(hello: dict[str, Any], verified: bool) -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            asked: list[str] = []
            await link.send(hello)
            answering = asyncio.create_task(answer_reads(link, READS, asked))
            row = await until(lambda: at.index.row(SES))
            await until(lambda: at.status(SES) == "waiting_for_permission")
            assert row.server.verified is verified
            assert at.index.row("ses_ancient") is None
            session = at.fleet.sessions[row.key]
            assert (session.messages, session.last_output, session.tool, session.cost) == (2, "two", "bash", 0.5)
            assert at.fleet.limits[row.server.id] == {"fake/fake-1": 8000}
            assert set(asked) == ALLOWED_READS
            await link.event("permission.replied", sessionID=SES, permissionID="per_1", response="once")
            await until(lambda: at.status(SES) == "busy")
            answering.cancel()

    run(test())


def test_an_event_during_the_reads_is_not_lost_to_them() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            await link.send(WATCH_ONLY)
            first = await link.receive()
            await link.event("permission.asked", **ASK)  # after the snapshot was begun, before it was taken
            await link.send({"id": first["id"], "result": [{"id": SES, "time": {"updated": at.at}}]})
            answering = asyncio.create_task(answer_reads(link, {"_client.get/permission": []}, []))
            await until(lambda: at.status(SES) == "waiting_for_permission")
            answering.cancel()

    run(test())


def test_two_seed_instances_of_one_process_send_the_same_id_and_are_two_links() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as one, connection(at.url) as two:
            await one.send(WATCH_ONLY)
            await until(lambda: len(at.listener.links) == 1)
            await two.send(WATCH_ONLY)
            await until(lambda: len(at.listener.links) == 2)

    run(test())


def test_an_url_with_the_host_auto_is_the_sockets_far_end() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            await link.send({**WATCH_ONLY, "serverUrl": "http://AUTO:4096"})
            server = await until(lambda: next(iter(at.fleet.servers.values()), None))
            assert server.url == "http://127.0.0.1:4096"

    run(test())


# ---------------------------------------------------------------------- refused


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
def test_a_web_page_gets_nothing(headers: dict[str, str], status: int) -> None:
    async def test() -> None:
        async with running_listener() as at:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with connection(at.url, headers=headers):
                    pass
            assert refused.value.status == status

    run(test())


def test_a_request_that_does_not_say_whom_it_means_is_refused_and_asks_no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost")

    async def test() -> None:
        async with running_listener() as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            assert b" 421 " in await asyncio.wait_for(reader.readline(), 5)
            writer.close()

    run(test())


def test_a_plain_request_is_told_what_lives_here() -> None:
    async def test() -> None:
        async with running_listener() as at, aiohttp.ClientSession() as session, session.get(at.url) as answer:
            assert answer.status == 426
            assert "OpenCode Tray" in await answer.text()

    run(test())


async def _wrong_proof(link: FakePlugin) -> None:
    await link.send(FRAMES["hello"])
    await link.receive()
    await link.send({"type": "auth", "proof": "0" * 64})


async def _replayed_proof(link: FakePlugin) -> None:
    await link.send(FRAMES["hello"])
    challenge = await link.receive()
    await link.send({"type": "auth", "proof": challenge["proof"]})


async def _hello_then_event(link: FakePlugin) -> None:
    await link.send(FRAMES["hello"])
    await link.receive()
    await link.event("permission.asked", **ASK)


REFUSALS: list[tuple[str, Any, int]] = [
    ("an event before hello", {"type": "event", "event": {"type": "session.idle"}}, 4400),
    ("no JSON", "hello", 4400),
    ("a protocol we do not speak", {**FRAMES["hello"], "protocol": 3}, 4400),
    ("a hello without nonce", {key: value for key, value in FRAMES["hello"].items() if key != "nonce"}, 4400),
    ("a hello with a wrong instance", {**FRAMES["hello"], "instance": "../../x"}, 4400),
    ("a wrong token of the seed", {**SEED, "authToken": "wrong"}, 1008),
    ("a wrong proof", _wrong_proof, 4401),
    ("our own proof played back", _replayed_proof, 4401),
    ("an event before auth", _hello_then_event, 4400),
]


@pytest.mark.parametrize(("what", "said", "code"), REFUSALS, ids=[what for what, _, _ in REFUSALS])
def test_a_stranger_is_refused_with_its_own_code(what: str, said: Any, code: int) -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            await (said(link) if callable(said) else link.send(said))
            assert await link.closed_with() == code
            assert at.events == []

    run(test())


def test_strangers_that_only_ping_are_ended_like_silent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HELLO_TIMEOUT", 0.3)

    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:

            async def ping() -> None:
                while not link.socket.closed:
                    await link.socket.ping()
                    await asyncio.sleep(0.05)

            pinging = asyncio.create_task(ping())
            assert await link.closed_with() == 4408
            pinging.cancel()

    run(test())


def test_one_entry_that_is_not_understood_costs_itself_alone() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await link.send(
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


def test_a_flood_in_one_frame_is_cut_and_a_cost_beyond_all_measure_is_none() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            flood = [{"id": f"ses_{n}"} for n in range(20_000)]
            await link.send({"type": "snapshot", "sessions": flood, "permissions": []})
            await link.send('["session.updated",{"info":{"id":"ses_1","cost":1' + "0" * 400 + "}}]")
            await link.event("permission.asked", **{**ASK, "sessionID": "ses_1"})
            await until(lambda: at.status("ses_1") == "waiting_for_permission")
            assert len(at.fleet.sessions) <= 1000
            row = at.index.row("ses_1")
            assert row is not None
            assert row.cost == 0.0

    run(test())


def test_a_watch_only_link_cannot_send_a_snapshot_and_there_are_not_many_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "MAX_WATCH_ONLY", 1)

    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            await link.send(WATCH_ONLY, {"type": "snapshot", "sessions": [{"id": SES}]})
            await until(lambda: at.listener.links)
            async with connection(at.url) as second:
                await second.send(WATCH_ONLY)
                assert await second.closed_with() == 1008
            assert at.status(SES) is None

    run(test())


def test_a_plugin_with_another_token_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            await link.send({**FRAMES["hello"], "serverName": "far\naway"})
            await link.receive()
            await link.socket.close(code=4401)  # as our plugin does when the tray's proof is wrong
            await until(lambda: "far away: its token is another one" in caplog.text)

    run(test())


def test_a_crowd_that_is_refused_is_logged_once_a_second_with_its_number(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limited_warnings, "PACE", 0.2)

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
def test_without_a_token_only_this_machine_is_loopback(remote: str) -> None:
    made = listener.Listener(lambda: TOKEN, lambda _: None, lambda: 0)
    hello = decode_hello(json.dumps(WATCH_ONLY).encode())
    with pytest.raises(Refused, match="only this machine"):
        made._check_seed(hello, remote)  # noqa: SLF001  # no far address can be had in a test
    made._check_seed(hello, "::ffff:127.0.0.1")  # noqa: SLF001


def test_half_an_emoji_costs_neither_a_permission_nor_a_title() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            half = "\ud83d..."  # sent as the escape that OpenCode sends
            await link.send({"type": "snapshot", "sessions": [{"id": SES, "title": half}], "status": {}})
            await link.event("permission.asked", **{**ASK, "metadata": {"command": half}})
            await until(lambda: at.status(SES) == "waiting_for_permission")
            row = at.index.row(SES)
            assert row is not None
            assert row.session.title == "\ufffd..."
            assert row.requests[0].detail == "\ufffd..."

    run(test())


def test_a_binary_frame_is_refused_before_and_after_hello() -> None:
    async def test() -> None:
        async with running_listener() as at:
            async with connection(at.url) as link:
                await link.socket.send_bytes(b"hello")
                assert await link.closed_with() == 1003
            async with plugin(at) as link:
                await link.socket.send_bytes(b"event")
                assert await link.closed_with() == 1003

    run(test())


def test_a_frame_over_four_mebibytes_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            with contextlib.suppress(ConnectionError):  # it does not wait for the end of the frame
                await link.send({"type": "event", "event": {"type": "x", "properties": {"text": "x" * (4 << 20)}}})
            assert await link.closed_with() in (1009, 1006)  # 1006: the rest of our frame was still under way
            await until(lambda: not at.listener.links)
            assert "exceeds limit" in caplog.text

    run(test())


def test_a_peer_that_answers_no_ping_is_lost_and_not_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "SILENCE", 0.2)

    async def test() -> None:
        async with running_listener() as at, connection(at.url, autoping=False) as link:
            await link.authenticate()
            await introduce(link)
            await until(lambda: at.status(SES) == "disconnected")
            lost = [event for event in at.events if isinstance(event, ServerLost)]
            assert [event.goodbye for event in lost] == [False]
            assert "refused" not in caplog.text

    run(test())


def test_pings_find_a_dead_peer_within_45_s() -> None:
    assert listener.SILENCE * 1.5 <= 45  # aiohttp closes when a pong takes longer than half of it


def test_who_speaks_all_the_time_is_pinged_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our plugin leaves a tray that it has heard no ping of for 65 s."""
    monkeypatch.setattr(listener, "PING_EVERY", 0.2)
    monkeypatch.setattr(listener, "SILENCE", 0.3)

    async def test() -> None:
        async with running_listener() as at, connection(at.url, autoping=False) as link:
            await link.authenticate()
            await introduce(link)

            async def speak() -> None:
                while True:
                    await link.event("session.status", sessionID=SES, status={"type": "busy"})
                    await asyncio.sleep(0.01)

            speaking = asyncio.create_task(speak())
            for _ in range(4):
                while (await asyncio.wait_for(link.socket.receive(), 5)).type is not aiohttp.WSMsgType.PING:
                    pass
                await link.socket.pong()
            speaking.cancel()
            assert at.status(SES) == "busy"

    run(test())


def test_an_answer_that_comes_too_late_is_forgotten_and_the_link_stays() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            (server,) = at.listener.links
            calling = asyncio.create_task(at.listener.call(server, "tui.select", {}))
            call = await link.receive()
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            await link.send({"id": call["id"], "result": {}})
            again = asyncio.create_task(at.listener.call(server, "session.todo", {}))
            call = await link.receive()
            await link.send({"id": call["id"], "result": [1]})
            assert await again == [1]

    run(test())


def test_an_answer_that_cannot_be_read_is_a_failure() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            (server,) = at.listener.links
            calling = asyncio.create_task(at.listener.call(server, "session.todo", {}))
            call = await link.receive()
            await link.send(f'{{"id":{call["id"]},"result":1e999}}')
            with pytest.raises(CallError, match="could not be read"):
                await calling

    run(test())


def test_a_connection_that_never_asks_for_anything_is_ended() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            end = asyncio.create_task(reader.read())
            await until(lambda: at.listener.sweep() or end.done())  # a moment until the listener has the connection
            assert await end == b""
            writer.close()
            await link.send({"type": "snapshot", "sessions": [{"id": SES}]})
            await link.event("session.status", sessionID=SES, status={"type": "busy"})
            await until(lambda: at.status(SES) == "busy")

    run(test())


def test_an_answer_nobody_asked_for_is_refused() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await link.send({"id": 77, "result": {}})
            assert await link.closed_with() == 4402

    run(test())


def test_silence_instead_of_hello_is_ended() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            message = await asyncio.wait_for(link.socket.receive(), 8)
            assert message.type is aiohttp.WSMsgType.CLOSE
            assert link.socket.close_code == 4408

    run(test())


def test_too_many_strangers_are_turned_away_and_the_next_is_let_in_when_they_left() -> None:
    async def test() -> None:
        async with running_listener() as at, aiohttp.ClientSession() as session:
            strangers = [await session.ws_connect(at.url) for _ in range(32)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(at.url)
            assert refused.value.status == 503
            for stranger in strangers:
                await stranger.close()
            async with plugin(at) as link:
                await introduce(link)
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
def test_a_bad_frame_is_dropped_and_the_link_lives(frame: Any) -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await introduce(link)
            await link.send(frame)
            await link.event("permission.asked", **ASK)
            await until(lambda: at.status(SES) == "waiting_for_permission")

    run(test())


def test_a_hundred_bad_frames_in_a_minute_are_too_many() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await link.send(*["{"] * 101)
            assert await link.closed_with() == 4429

    run(test())


def test_an_event_type_nobody_knows_is_no_bad_frame() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            for _ in range(150):
                await link.event("something.new", anything=[1, 2, 3])
            await introduce(link)
            await until(lambda: at.status(SES))

    run(test())


def test_one_wrong_session_or_request_in_a_snapshot_costs_only_itself() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            sessions = [{"id": SES}, {"title": "no id"}, 7, {"id": "ses_2"}]
            await link.send({"type": "snapshot", "sessions": sessions, "permissions": [ASK, {"id": "p"}]})
            await until(lambda: at.status(SES) == "waiting_for_permission" and at.status("ses_2") == "idle")

    run(test())


# ---------------------------------------------------------------------- over time


def test_after_sleep_every_link_is_read_again() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await introduce(link)
            await until(lambda: at.status(SES))
            at.listener.reread_all()
            call = await link.receive()
            assert call["method"] == "snapshot"
            await introduce(link, status={SES: {"type": "busy"}})
            await link.send({"id": call["id"], "result": {}})
            await until(lambda: at.status(SES) == "busy")

    run(test())


def test_stopping_closes_everything_within_two_seconds() -> None:
    async def test() -> None:
        at = RunningListener()
        at.port = await at.listener.start("127.0.0.1", 0)
        async with plugin(at, instance="one") as one, plugin(at, instance="two"), connection(at.url):
            await introduce(one)
            await until(lambda: at.status(SES))
            begin = asyncio.get_running_loop().time()
            stopping = asyncio.create_task(at.listener.stop())
            assert await one.closed_with() == 1001
            await stopping
            assert asyncio.get_running_loop().time() - begin < 2

    run(test())


def test_the_token_is_in_no_frame_that_the_listener_sends() -> None:
    async def test() -> None:
        async with running_listener() as at, connection(at.url) as link:
            await link.send(FRAMES["hello"])
            assert TOKEN not in json.dumps(await link.receive())

    run(test())


def test_questions_arrive_with_their_options() -> None:
    async def test() -> None:
        async with running_listener() as at, plugin(at) as link:
            await introduce(link)
            options = [{"label": "Red", "description": "warm"}, {"label": "Blue"}]
            questions = [{"question": "Which?", "header": "Colour", "options": options, "multiple": True}]
            await link.event("question.asked", id="que_1", sessionID=SES, questions=questions)
            await until(lambda: at.status(SES) == "waiting_for_answer")
            row = at.index.row(SES)
            assert row is not None
            request = row.requests[0]
            assert (request.kind, request.title, request.detail) == (RequestKind.QUESTION, "Colour", "Which?")
            assert [option.label for option in request.questions[0].options] == ["Red", "Blue"]
            assert request.questions[0].multiple

    run(test())
