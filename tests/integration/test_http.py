"""HTTP servers: their sessions, the calls to them, refused and lost connections, and invalid data."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from aiohttp import web

from fake_opencode import ELSEWHERE, HERE, FakeOpenCode
from tray.core.events import SourceEvent
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import ServerAddress
from tray.opencode.services import MAX_SERVICES
from tray.sources.http import connection
from tray.sources.http.servers import HttpServers
from tray.system.backoff import Backoff
from tray_process import free_port
from waiting import until_async as until
from web_server import serving

AT = 1_795_237_290_000
SES, OTHER = "ses_1", "ses_2"
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "patterns": ["ls *"], "metadata": {"command": "ls"}}
BUSY = {"sessionID": SES, "status": {"type": "busy"}}


def session(name: str = SES, directory: str = HERE, **more: Any) -> dict[str, Any]:
    return {"id": name, "title": f"Title of {name}", "directory": directory, "time": {"updated": AT}, **more}


class Watch:
    """A fleet that HTTP servers report to."""

    def __init__(self, silence: float) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.http = HttpServers(self._take, lambda: AT, silence)

    def _take(self, event: SourceEvent) -> None:
        self.index.update(self.fleet.apply(event, AT))

    def follow(self, *fakes: FakeOpenCode, password: str = "", **more: Any) -> None:
        self.http.follow([ServerAddress(fake.url, password=password, **more) for fake in fakes])

    def status(self, name: str = SES) -> str | None:
        row: SessionRow | None = self.index.row(name)
        return row.status.value if row is not None else None

    @property
    def problems(self) -> list[str]:
        return [server.problem for server in self.fleet.servers.values() if server.problem]


@asynccontextmanager
async def watching(silence: float = 30.0) -> AsyncIterator[Watch]:
    watch = Watch(silence)
    try:
        yield watch
    finally:
        await watch.http.stop()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 30))


# ---------------------------------------------------------------------- sessions


def test_a_snapshot_and_later_events_are_reported() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session(), session(OTHER)]
            fake.statuses[HERE] = {SES: {"type": "busy"}}
            fake.permissions[HERE] = [ASK]
            watch.follow(fake)
            await until(lambda: watch.status() == "waiting_for_permission" and watch.status(OTHER) == "idle")
            row = watch.index.row(SES)
            assert row is not None
            assert (row.server.url, row.server.version, row.server.branch) == (fake.url, "1.18.33", "main")
            assert [todo.content for todo in row.session.todos] == ["one"]
            await fake.emit("permission.replied", {"sessionID": SES, "requestID": "per_1", "reply": "once"})
            await until(lambda: watch.status() == "busy")
            await fake.emit("session.status", {"sessionID": SES, "status": {"type": "idle"}})
            await until(lambda: watch.status() == "idle")
            await until(lambda: watch.fleet.limits.get(row.server.id) == {"fake/fake-1": 8000})

    run(scenario())


def test_another_directory_is_requested_only_after_its_first_event() -> None:
    """A request would make OpenCode load the directory: language servers, MCP servers, plugins."""

    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[ELSEWHERE] = [session(OTHER, ELSEWHERE)]
            fake.permissions[ELSEWHERE] = [{**ASK, "sessionID": OTHER}]
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            assert len(watch.fleet.servers) == 1
            await fake.emit("session.status", {**BUSY, "sessionID": OTHER}, ELSEWHERE)
            await until(lambda: watch.status(OTHER) == "waiting_for_permission")
            assert {server.directory for server in watch.fleet.servers.values()} == {HERE, ELSEWHERE}

    run(scenario())


def test_mcp_servers_are_requested_only_after_a_session_works() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.mcp = {"files": {"status": "failed", "error": "no such program"}}
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            assert fake.requests["GET /mcp"] == 0
            await fake.emit("session.status", BUSY)
            listed = await until(lambda: [s.services for s in watch.fleet.servers.values() if s.services])
            assert [(s.kind, s.name, s.status, s.why) for s in listed[0]] == [
                ("mcp", "files", "failed", "no such program"),
            ]
            fake.mcp = {"files": {"status": "connected"}}
            await fake.emit("mcp.tools.changed", {"server": "files"})
            await until(lambda: [s.services[0].status for s in watch.fleet.servers.values()] == ["connected"])

    run(scenario())


def test_the_number_of_reported_mcp_servers_is_limited() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.mcp = {f"server {number}": {"status": "connected"} for number in range(MAX_SERVICES + 1)}
            watch.follow(fake, trusted=False)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            await fake.emit("session.status", BUSY)
            listed = await until(lambda: [s.services for s in watch.fleet.servers.values() if s.services])
            assert len(listed[0]) == MAX_SERVICES

    run(scenario())


def test_an_event_during_a_snapshot_is_not_overwritten_by_it() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            fake.statuses[HERE] = {SES: {"type": "busy"}}
            fake.slow.clear()
            watch.follow(fake)
            await until(lambda: fake.requests["GET /session"])
            await fake.emit("session.status", {"sessionID": SES, "status": {"type": "idle"}})
            fake.slow.set()
            await until(lambda: watch.status() == "idle")

    run(scenario())


def test_streamed_text_is_reported_by_its_last_line() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            part = {"id": "prt_1", "sessionID": SES, "messageID": "msg_2", "type": "text", "text": ""}
            part["time"] = {"start": 1}
            await fake.emit("message.part.updated", {"part": part})
            for delta in ("first\n", "second"):
                text = {"sessionID": SES, "messageID": "msg_2", "partID": "prt_1", "field": "text", "delta": delta}
                await fake.emit("message.part.delta", text)
            (server,) = watch.fleet.servers

            async def draft(session_id: str) -> str:
                return str((await watch.http.call(server, "session.draft", {"sessionID": session_id}))["text"])

            async def is_draft(text: str) -> bool:
                return await draft(SES) == text

            await until(lambda: is_draft("first\nsecond"))
            assert await draft("ses_9") == ""
            whole = {**part, "text": "first\nsecond", "time": {"start": 1, "end": 2}}
            await fake.emit("message.part.updated", {"part": whole})
            await until(lambda: is_draft(""))
            await until(
                lambda: watch.fleet.sessions and next(iter(watch.fleet.sessions.values())).last_output == "second"
            )

    run(scenario())


# OpenCode 1.1 asks without the command, which only the tool's part of the message contains.
ASK_WITHOUT_COMMAND = {**ASK, "metadata": {}, "tool": {"messageID": "msg_1", "callID": "call_1"}}
PART_OF_COMMAND = {"type": "tool", "callID": "call_1", "state": {"input": {"command": "rm -rf build"}}}


def message_with(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"info": {"id": "msg_1", "role": "assistant"}, "parts": list(parts)}


def test_a_permission_of_1_1_gets_its_command() -> None:
    async def scenario() -> None:
        async with FakeOpenCode("1.1.65") as fake, watching() as watch:
            fake.messages[SES] = [message_with(PART_OF_COMMAND)]
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            fake.permissions[HERE] = [ASK_WITHOUT_COMMAND]
            await fake.emit("permission.asked", ASK_WITHOUT_COMMAND)
            row = await until(
                lambda: (row := watch.index.row(SES)) and row.requests and row.requests[0].complete and row
            )
            assert row.requests[0].detail == "rm -rf build"

    run(scenario())


@pytest.mark.parametrize("is_in_snapshot", [True, False])
def test_a_command_that_is_stored_after_the_permission_is_looked_up_again(*, is_in_snapshot: bool) -> None:
    async def scenario() -> None:
        async with FakeOpenCode("1.1.65") as fake, watching() as watch:
            fake.messages[SES] = [message_with()]
            fake.sessions[HERE] = [session()]
            if is_in_snapshot:
                fake.permissions[HERE] = [ASK_WITHOUT_COMMAND]
            watch.follow(fake)
            await until(lambda: watch.status() == ("waiting_for_permission" if is_in_snapshot else "idle"))
            if not is_in_snapshot:
                fake.permissions[HERE] = [ASK_WITHOUT_COMMAND]
                await fake.emit("permission.asked", ASK_WITHOUT_COMMAND)
            looked_up = fake.requests[f"GET /session/{SES}/message/msg_1"]
            await until(lambda: fake.requests[f"GET /session/{SES}/message/msg_1"] > looked_up)
            fake.messages[SES] = [message_with(PART_OF_COMMAND)]
            row = await until(
                lambda: (row := watch.index.row(SES)) and row.requests and row.requests[0].complete and row
            )
            assert row.requests[0].detail == "rm -rf build"

    run(scenario())


def test_a_command_looked_up_during_a_snapshot_is_not_lost() -> None:
    async def scenario() -> None:
        async with FakeOpenCode("1.1.65") as fake, watching() as watch:
            fake.messages[SES] = [message_with(PART_OF_COMMAND)]
            fake.sessions[HERE] = [session()]
            fake.slow.clear()
            watch.follow(fake)
            await until(lambda: fake.requests["GET /permission"] == fake.requests["GET /question"] == 1)
            fake.permissions[HERE] = [ASK_WITHOUT_COMMAND]  # after the snapshot's list of permissions was sent
            await fake.emit("permission.asked", ASK_WITHOUT_COMMAND)
            await until(lambda: fake.requests[f"GET /session/{SES}/message/msg_1"])
            await asyncio.sleep(0.1)
            fake.slow.set()
            row = await until(lambda: (row := watch.index.row(SES)) and row.session.title and row.requests and row)
            assert [(request.detail, request.complete) for request in row.requests] == [("rm -rf build", True)]

    run(scenario())


# ---------------------------------------------------------------------- calls


def test_only_a_pending_request_is_answered() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE], fake.permissions[HERE] = [session()], [ASK]
            watch.follow(fake)
            await until(lambda: watch.status() == "waiting_for_permission")
            (server,) = watch.fleet.servers
            await watch.http.call(
                server, "permission.reply", {"requestID": "per_1", "reply": "reject", "message": "no"}
            )
            assert fake.posted == [("POST /permission/per_1/reply", {"reply": "reject", "message": "no"})]
            fake.permissions[HERE] = []
            with pytest.raises(CallError) as closed:
                await watch.http.call(server, "permission.reply", {"requestID": "per_1", "reply": "once"})
            assert (closed.value.kind, len(fake.posted)) == (CallErrorKind.NOT_FOUND, 1)

    run(scenario())


@pytest.mark.parametrize("name", ["../config", "ses 1", "a/b", "", "é", None, "?x=1"])
def test_an_invalid_id_never_becomes_part_of_a_path(name: Any) -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            watch.follow(fake)
            server = await until(lambda: next((s.id for s in watch.fleet.servers.values() if s.live), None))
            before = fake.requests.total()
            with pytest.raises(CallError):
                await watch.http.call(server, "session.abort", {"sessionID": name})
            assert (fake.posted, fake.requests.total()) == ([], before)

    run(scenario())


def test_an_existing_session_is_stopped_and_then_deleted() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            server = await until(lambda: next((s.id for s in watch.fleet.servers.values() if s.live), None))
            await watch.http.call(server, "session.delete", {"sessionID": SES})
            assert [name for name, _ in fake.posted] == [f"POST /session/{SES}/abort", f"DELETE /session/{SES}"]
            with pytest.raises(CallError) as unknown:
                await watch.http.call(server, "session.delete", {"sessionID": "ses_9"})
            assert unknown.value.kind is CallErrorKind.NOT_FOUND

    run(scenario())


def test_the_changes_of_the_newest_prompt_are_found_among_incomplete_messages() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            fake.messages[SES] = [{"info": {"id": "msg_1", "role": "user"}}, {"info": None}, {}]
            watch.follow(fake)
            server = await until(lambda: next((s.id for s in watch.fleet.servers.values() if s.live), None))
            assert await watch.http.call(server, "session.diff", {"sessionID": SES}) == [{"messageID": "msg_1"}]

    run(scenario())


# ---------------------------------------------------------------------- passwords and trust


def test_a_refused_password_is_not_sent_again_until_it_is_changed() -> None:
    async def scenario() -> None:
        async with FakeOpenCode(password="right") as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake, password="wrong")
            refused = "the server refused the password; correct it under [[servers]] in the settings"
            await until(lambda: watch.problems == [refused])
            requests = fake.requests.total()
            await asyncio.sleep(1.2)  # the first two retries of a lost connection would come within this time
            assert fake.requests.total() == requests
            watch.follow(fake, password="right")
            await until(lambda: watch.status() == "idle")
            assert watch.problems == []

    run(scenario())


def test_a_missing_password_is_shown_as_a_problem_with_its_fix() -> None:
    async def scenario() -> None:
        async with FakeOpenCode(password="right") as fake, watching() as watch:
            watch.follow(fake)
            required = "the server requires a password; set it under [[servers]] in the settings"
            await until(lambda: watch.problems == [required])

    run(scenario())


def test_the_password_is_not_sent_to_the_target_of_a_redirect() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as thief, FakeOpenCode() as fake, watching() as watch:
            fake.redirect = thief.url
            watch.follow(fake, password="secret")
            await until(lambda: watch.problems)
            assert thief.requests.total() == 0

    run(scenario())


def test_a_server_found_on_the_network_is_read_only() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE], fake.permissions[HERE] = [session()], [ASK]
            watch.follow(fake, trusted=False)
            await until(lambda: watch.status() == "waiting_for_permission")
            row = watch.index.row(SES)
            assert row is not None
            assert "[[servers]]" in row.server.read_only_reason
            with pytest.raises(CallError) as refused:
                await watch.http.call(row.server.id, "permission.reply", {"requestID": "per_1", "reply": "once"})
            assert (refused.value.kind, fake.posted) == (CallErrorKind.READ_ONLY, [])

    run(scenario())


def test_an_untrusted_certificate_is_refused() -> None:
    async def scenario() -> None:
        fake = FakeOpenCode()
        fake.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(fake.tls)
        async with fake, watching() as watch:
            watch.follow(fake, password="secret")
            await until(lambda: watch.problems == ["cannot connect: its certificate is not trusted"])
            assert fake.requests.total() == 0

    run(scenario())


# ---------------------------------------------------------------------- connections and invalid data


def test_a_lost_connection_is_shown_and_reopened_with_a_new_snapshot() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle" and fake.subscribers)
            fake.permissions[HERE] = [ASK]  # without an event
            await fake.drop_connections()
            await until(lambda: watch.status() == "disconnected")
            await until(lambda: watch.status() == "waiting_for_permission")
            assert len(watch.fleet.servers) == 1

    run(scenario())


def test_a_server_that_starts_late_replaces_its_connection_problem() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as stopped:
            pass
        async with watching() as watch:
            watch.follow(stopped)
            await until(lambda: watch.problems and watch.problems[0].startswith("cannot connect"))
            async with FakeOpenCode(port=stopped.port) as fake:
                fake.sessions[HERE] = [session()]
                await until(lambda: watch.status() == "idle")
                assert watch.problems == []

    run(scenario())


@pytest.mark.fault
def test_a_server_that_is_away_for_long_is_looked_for_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float] = []

    class RecordedBackoff(Backoff):
        def next_delay(self) -> float:
            delays.append(super().next_delay())
            return 0.0

    monkeypatch.setattr(connection, "Backoff", RecordedBackoff)

    async def scenario() -> None:
        async with watching() as watch:
            watch.http.follow([ServerAddress(f"http://127.0.0.1:{free_port()}")])
            await until(lambda: len(delays) >= 20)

    run(scenario())
    assert delays[0] <= 0.5
    assert all(2.0 <= delay <= 4.0 for delay in delays[6:])


def test_a_server_whose_heartbeats_stop_is_disconnected() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching(silence=1) as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: fake.subscribers)
            await fake.heartbeat()
            await until(lambda: watch.status() == "idle")
            fake.hangs = True
            await until(lambda: watch.status() == "disconnected")

    run(scenario())


def test_a_silent_server_without_heartbeats_stays_while_it_answers() -> None:
    async def scenario() -> None:
        async with FakeOpenCode("1.1.65") as fake, watching(silence=0.1) as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            asked = fake.requests["GET /global/health"]
            await until(lambda: fake.requests["GET /global/health"] > asked + 3)
            assert (watch.status(), fake.requests["GET /global/event"]) == ("idle", 1)

    run(scenario())


def test_after_a_reconnect_to_a_version_without_heartbeats_silence_is_not_an_error() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching(silence=0.2) as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle" and fake.subscribers)
            await fake.heartbeat()
            await fake.drop_connections()
            await until(lambda: watch.status() == "disconnected")
            await until(lambda: watch.status() == "idle")
            requested = fake.requests["GET /global/health"]
            await until(lambda: fake.requests["GET /global/health"] > requested + 3)
            assert (watch.status(), fake.requests["GET /global/event"]) == ("idle", 2)

    run(scenario())


def test_overlapping_snapshots_lead_to_the_right_state() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            fake.slow.clear()
            watch.follow(fake)
            await until(lambda: fake.requests["GET /session"])
            watch.http.reread_all()
            await fake.emit("permission.asked", ASK)
            fake.permissions[HERE] = [ASK]
            fake.slow.set()
            await until(lambda: fake.requests["GET /session"] >= 2)
            await until(lambda: watch.status() == "waiting_for_permission")
            await fake.emit("permission.replied", {"sessionID": SES, "requestID": "per_1", "reply": "once"})
            await until(lambda: watch.status() == "idle")

    run(scenario())


def test_a_reconnect_reads_the_other_directories_again() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.permissions[ELSEWHERE] = [{**ASK, "sessionID": OTHER}]
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            await fake.emit("session.status", {**BUSY, "sessionID": OTHER}, ELSEWHERE)
            await until(lambda: watch.status(OTHER) == "waiting_for_permission")
            await fake.drop_connections()
            await until(lambda: watch.status(OTHER) == "disconnected")
            await until(lambda: watch.status(OTHER) == "waiting_for_permission")

    run(scenario())


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_status_is_retried(status: int) -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            fake.fails = status
            watch.follow(fake)
            await until(lambda: watch.problems)
            fake.fails = 0
            await until(lambda: watch.status() == "idle")

    run(scenario())


def test_a_compressed_response_is_refused_before_it_is_decompressed() -> None:
    bomb = gzip.compress(b" " * 2**26)

    async def respond(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=bomb, content_type="application/json", headers={"Content-Encoding": "gzip"})

    async def scenario() -> None:
        application = web.Application()
        application.router.add_get("/global/health", respond)
        async with serving(application) as port, watching() as watch:
            watch.http.follow([ServerAddress(f"http://127.0.0.1:{port}", trusted=False)])
            await until(lambda: watch.problems)
            assert watch.problems == ["the response is compressed: is this an OpenCode server?"]

    tracemalloc.start()
    try:
        run(scenario())
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("url", ["http://a..b:4096", f"http://{'x' * 70}.example:1"])
def test_an_invalid_host_name_is_a_problem_of_that_server_only(url: str) -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.http.follow([ServerAddress(url), ServerAddress(fake.url)])
            await until(lambda: watch.status() == "idle")
            await until(lambda: watch.problems)

    run(scenario())


@pytest.mark.parametrize(
    "noise",
    [
        b"data: {broken\n\n",
        b"data: 7\n\n",
        b'data: {"directory": 7, "payload": {}}\n\n',
        b'data: {"directory": "/x", "payload": {"type": "session.status"}}\n\n',
        b'data: {"directory": "/home/dev/project", "payload": {"type": "message.part.delta", "properties": 7}}\n\n',
        b'data: {"directory": "/home/dev/project", "payload": {"type": "message.part.updated", "properties": {}}}\n\n',
        b"\xff\xfe\n\n: comment\n\ndata\n\n",
    ],
)
def test_an_invalid_event_is_skipped(noise: bytes) -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            await fake.send(noise)
            await fake.emit("session.status", BUSY)
            await until(lambda: watch.status() == "busy")
            assert fake.requests["GET /global/event"] == 1

    run(scenario())


def test_at_most_50_directories_are_followed() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            for number in range(80):
                await fake.emit("session.status", BUSY, f"/flood/{number}")
            await fake.emit("session.status", BUSY)
            await until(lambda: watch.status() == "busy")
            assert len(watch.fleet.servers) == 50

    run(scenario())


def test_a_dropped_server_is_disconnected_or_removed_if_covered() -> None:
    async def scenario() -> None:
        async with FakeOpenCode() as dropped, FakeOpenCode() as covered, watching() as watch:
            dropped.sessions[HERE], covered.sessions[HERE] = [session()], [session(OTHER)]
            watch.follow(dropped, covered)
            await until(lambda: watch.status() == watch.status(OTHER) == "idle")
            watch.http.follow([], covered=[covered.url])
            assert (watch.status(), watch.status(OTHER)) == ("disconnected", None)
            await until(lambda: dropped.subscribers == covered.subscribers == 0)

    run(scenario())
