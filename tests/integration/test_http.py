"""OpenCode's HTTP servers: followed through all that can happen to a connection, and asked for no more than is said."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme

from fake_opencode import ELSEWHERE, HERE, FakeOpenCode
from fakes import until
from tray.core.events import SourceEvent
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import ServerAddress
from tray.sources.http.servers import HttpServers

AT = 1_795_237_290_000
SES, OTHER = "ses_1", "ses_2"
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "patterns": ["ls *"], "metadata": {"command": "ls"}}
BUSY = {"sessionID": SES, "status": {"type": "busy"}}


def session(name: str = SES, directory: str = HERE, **more: Any) -> dict[str, Any]:
    return {"id": name, "title": f"Title of {name}", "directory": directory, "time": {"updated": AT}, **more}


class Watch:
    """A fleet, and the servers that it is told of."""

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


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 30))


# ---------------------------------------------------------------------- what is seen


def test_what_waits_works_and_is_said_at_the_start_is_seen_and_then_what_happens() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session(), session(OTHER)]
            fake.statuses[HERE] = {SES: {"type": "busy"}}
            fake.permissions[HERE] = [ASK]
            watch.follow(fake)
            await until(lambda: watch.status() == "waiting_for_permission" and watch.status(OTHER) == "idle")
            row = watch.index.row(SES)
            assert row is not None
            assert (row.server.url, row.server.opencode, row.server.branch) == (fake.url, "1.18.33", "main")
            assert [todo.content for todo in row.session.todos] == ["one"]
            await fake.emit("permission.replied", {"sessionID": SES, "requestID": "per_1", "reply": "once"})
            await until(lambda: watch.status() == "busy")
            await fake.emit("session.status", {"sessionID": SES, "status": {"type": "idle"}})
            await until(lambda: watch.status() == "idle")
            await until(lambda: watch.fleet.limits.get(row.server.id) == {"fake/fake-1": 8000})

    run(story())


def test_a_directory_is_asked_for_only_once_something_happens_there() -> None:
    """Asking would make OpenCode load it: language servers, MCP servers, plugins."""

    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[ELSEWHERE] = [session(OTHER, ELSEWHERE)]
            fake.permissions[ELSEWHERE] = [{**ASK, "sessionID": OTHER}]
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            assert len(watch.fleet.servers) == 1
            await fake.emit("session.status", {**BUSY, "sessionID": OTHER}, ELSEWHERE)
            await until(lambda: watch.status(OTHER) == "waiting_for_permission")
            assert {server.directory for server in watch.fleet.servers.values()} == {HERE, ELSEWHERE}

    run(story())


def test_mcp_servers_are_asked_for_only_once_a_session_works() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.mcp = {"files": {"status": "failed", "error": "no such program"}}
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            assert fake.requests["GET /mcp"] == 0
            await fake.emit("session.status", BUSY)
            told = await until(lambda: [s.services for s in watch.fleet.servers.values() if s.services])
            assert [(s.kind, s.name, s.status, s.why) for s in told[0]] == [
                ("mcp", "files", "failed", "no such program"),
            ]
            fake.mcp = {"files": {"status": "connected"}}
            await fake.emit("mcp.tools.changed", {"server": "files"})
            await until(lambda: [s.services[0].status for s in watch.fleet.servers.values()] == ["connected"])

    run(story())


def test_what_happens_while_the_snapshot_is_read_is_not_undone_by_it() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            fake.statuses[HERE] = {SES: {"type": "busy"}}
            fake.slow.clear()
            watch.follow(fake)
            await until(lambda: fake.requests["GET /session"])
            await fake.emit("session.status", {"sessionID": SES, "status": {"type": "idle"}})
            fake.slow.set()
            await until(lambda: watch.status() == "idle")

    run(story())


def test_what_is_being_written_is_told_line_by_line() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            part = {"id": "prt_1", "sessionID": SES, "messageID": "msg_2", "type": "text", "text": ""}
            await fake.emit("message.part.updated", {"part": part})
            for delta in ("first\n", "second"):
                told = {"sessionID": SES, "messageID": "msg_2", "partID": "prt_1", "field": "text", "delta": delta}
                await fake.emit("message.part.delta", told)
            await fake.emit("message.part.updated", {"part": {**part, "text": "first\nsecond"}})
            await until(
                lambda: watch.fleet.sessions and next(iter(watch.fleet.sessions.values())).last_output == "second"
            )

    run(story())


def test_the_command_that_1_1_leaves_out_of_a_permission_is_looked_up() -> None:
    async def story() -> None:
        async with FakeOpenCode("1.1.65") as fake, watching() as watch:
            asked = {**ASK, "metadata": {}, "tool": {"messageID": "msg_1", "callID": "call_1"}}
            part = {"type": "tool", "callID": "call_1", "state": {"input": {"command": "rm -rf build"}}}
            fake.messages[SES] = [{"info": {"id": "msg_1", "role": "assistant"}, "parts": [part]}]
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            fake.permissions[HERE] = [asked]
            await fake.emit("permission.asked", asked)
            row = await until(
                lambda: (row := watch.index.row(SES)) and row.requests and row.requests[0].complete and row
            )
            assert row.requests[0].detail == "rm -rf build"

    run(story())


# ---------------------------------------------------------------------- what is asked of it


def test_an_answer_goes_to_what_waits_and_to_nothing_else() -> None:
    async def story() -> None:
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
            with pytest.raises(CallError) as late:
                await watch.http.call(server, "permission.reply", {"requestID": "per_1", "reply": "once"})
            assert (late.value.kind, len(fake.posted)) == (CallErrorKind.NOT_FOUND, 1)

    run(story())


@pytest.mark.parametrize("name", ["../config", "ses 1", "a/b", "", "é", None, "?x=1"])
def test_what_is_no_id_never_becomes_part_of_a_path(name: Any) -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            watch.follow(fake)
            server = await until(lambda: next((s.id for s in watch.fleet.servers.values() if s.live), None))
            before = fake.requests.total()
            with pytest.raises(CallError):
                await watch.http.call(server, "session.abort", {"sessionID": name})
            assert (fake.posted, fake.requests.total()) == ([], before)

    run(story())


def test_a_session_is_stopped_before_it_is_deleted_and_only_if_it_is_there() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            server = await until(lambda: next((s.id for s in watch.fleet.servers.values() if s.live), None))
            await watch.http.call(server, "session.delete", {"sessionID": SES})
            assert [name for name, _ in fake.posted] == [f"POST /session/{SES}/abort", f"DELETE /session/{SES}"]
            with pytest.raises(CallError) as unknown:
                await watch.http.call(server, "session.delete", {"sessionID": "ses_9"})
            assert unknown.value.kind is CallErrorKind.NOT_FOUND

    run(story())


# ---------------------------------------------------------------------- who is let in


def test_a_wrong_password_is_said_and_not_tried_again_and_a_right_one_is_taken_up() -> None:
    async def story() -> None:
        async with FakeOpenCode(password="right") as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake, password="wrong")
            await until(
                lambda: watch.problems == ["the password is refused: correct it under [[servers]] in the settings"]
            )
            tries = fake.requests.total()
            await asyncio.sleep(1.2)  # the first two tries of a connection that was lost come within this time
            assert fake.requests.total() == tries
            watch.follow(fake, password="right")
            await until(lambda: watch.status() == "idle")
            assert watch.problems == []

    run(story())


def test_without_a_password_where_one_is_wanted_the_step_to_take_is_said() -> None:
    async def story() -> None:
        async with FakeOpenCode(password="right") as fake, watching() as watch:
            watch.follow(fake)
            await until(lambda: watch.problems == ["it wants a password: put it under [[servers]] in the settings"])

    run(story())


def test_the_password_goes_to_no_other_address() -> None:
    async def story() -> None:
        async with FakeOpenCode() as thief, FakeOpenCode() as fake, watching() as watch:
            fake.redirect = thief.url
            watch.follow(fake, password="secret")
            await until(lambda: watch.problems)
            assert thief.requests.total() == 0

    run(story())


def test_a_server_that_anybody_may_be_is_only_watched() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE], fake.permissions[HERE] = [session()], [ASK]
            watch.follow(fake, trusted=False)
            await until(lambda: watch.status() == "waiting_for_permission")
            row = watch.index.row(SES)
            assert row is not None
            assert "[[servers]]" in row.server.read_only_reason
            with pytest.raises(CallError) as refused:
                await watch.http.call(row.server.id, "permission.reply", {"requestID": "per_1", "reply": "once"})
            assert (refused.value.kind, fake.posted) == (CallErrorKind.WATCH_ONLY, [])

    run(story())


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    async def story() -> None:
        fake = FakeOpenCode()
        fake.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(fake.tls)
        async with fake, watching() as watch:
            watch.follow(fake, password="secret")
            await until(lambda: watch.problems == ["cannot connect: its certificate is not trusted"])
            assert fake.requests.total() == 0

    run(story())


# ---------------------------------------------------------------------- what can happen to it


def test_a_lost_connection_shows_at_once_and_comes_back_with_what_was_missed() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle" and fake.subscribers)
            fake.permissions[HERE] = [ASK]  # and nobody is told
            await fake.drop_connections()
            await until(lambda: watch.status() == "disconnected")
            await until(lambda: watch.status() == "waiting_for_permission")
            assert len(watch.fleet.servers) == 1

    run(story())


def test_who_is_not_there_is_said_and_found_when_it_comes() -> None:
    async def story() -> None:
        async with FakeOpenCode() as gone:
            pass
        async with watching() as watch:
            watch.follow(gone)
            await until(lambda: watch.problems and watch.problems[0].startswith("cannot connect"))
            async with FakeOpenCode(port=gone.port) as fake:
                fake.sessions[HERE] = [session()]
                await until(lambda: watch.status() == "idle")
                assert watch.problems == []

    run(story())


def test_a_server_whose_heartbeat_stops_is_lost_though_the_connection_stands() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching(silence=1) as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: fake.subscribers)
            await fake.heartbeat()
            await until(lambda: watch.status() == "idle")
            fake.hangs = True
            await until(lambda: watch.status() == "disconnected")

    run(story())


def test_a_silent_server_without_heartbeats_is_kept_as_long_as_it_answers() -> None:
    async def story() -> None:
        async with FakeOpenCode("1.1.65") as fake, watching(silence=0.1) as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            asked = fake.requests["GET /global/health"]
            await until(lambda: fake.requests["GET /global/health"] > asked + 3)
            assert (watch.status(), fake.requests["GET /global/event"]) == ("idle", 1)

    run(story())


def test_two_snapshots_at_once_leave_the_truth() -> None:
    async def story() -> None:
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

    run(story())


def test_what_waits_in_another_directory_is_not_lost_with_the_connection() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.permissions[ELSEWHERE] = [{**ASK, "sessionID": OTHER}]
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            await fake.emit("session.status", {**BUSY, "sessionID": OTHER}, ELSEWHERE)
            await until(lambda: watch.status(OTHER) == "waiting_for_permission")
            await fake.drop_connections()
            await until(lambda: watch.status(OTHER) == "disconnected")
            await until(lambda: watch.status(OTHER) == "waiting_for_permission")

    run(story())


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_proxy_that_has_a_bad_moment_is_no_reason_to_give_up(status: int) -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            fake.fails = status
            watch.follow(fake)
            await until(lambda: watch.problems)
            fake.fails = 0
            await until(lambda: watch.status() == "idle")

    run(story())


@pytest.mark.parametrize("url", ["http://a..b:4096", f"http://{'x' * 70}.example:1"])
def test_an_address_that_is_none_is_said_and_harms_nobody(url: str) -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.http.follow([ServerAddress(url), ServerAddress(fake.url)])
            await until(lambda: watch.status() == "idle")
            await until(lambda: watch.problems)

    run(story())


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
def test_what_cannot_be_understood_costs_that_event_alone(noise: bytes) -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            fake.sessions[HERE] = [session()]
            watch.follow(fake)
            await until(lambda: watch.status() == "idle")
            await fake.send(noise)
            await fake.emit("session.status", BUSY)
            await until(lambda: watch.status() == "busy")
            assert fake.requests["GET /global/event"] == 1

    run(story())


def test_of_directories_without_end_only_so_many_are_followed() -> None:
    async def story() -> None:
        async with FakeOpenCode() as fake, watching() as watch:
            watch.follow(fake)
            await until(lambda: any(server.live for server in watch.fleet.servers.values()))
            for number in range(80):
                await fake.emit("session.status", BUSY, f"/flood/{number}")
            await fake.emit("session.status", BUSY)
            await until(lambda: watch.status() == "busy")
            assert len(watch.fleet.servers) == 50

    run(story())


def test_who_is_followed_no_more_is_greyed_or_gone_if_a_better_source_has_it() -> None:
    async def story() -> None:
        async with FakeOpenCode() as one, FakeOpenCode() as two, watching() as watch:
            one.sessions[HERE], two.sessions[HERE] = [session()], [session(OTHER)]
            watch.follow(one, two)
            await until(lambda: watch.status() == watch.status(OTHER) == "idle")
            watch.http.follow([], elsewhere=[two.url])
            assert (watch.status(), watch.status(OTHER)) == ("disconnected", None)
            await until(lambda: one.subscribers == two.subscribers == 0)

    run(story())
