"""The posts of opencode-dashboard's plugin, and the sessions that they show."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from fakes import TOKEN, RunningListener, running_listener
from tray.core.events import SessionReported, SnapshotTaken, SourceEvent
from tray.core.servers import Source
from tray.core.source_calls import CallError
from tray.sources.plugin.opencode_dashboard import MAX_FILES, MAX_INSTANCES, SILENCE, Dashboard, Post

HOST, WORK, SES = "build-box", "/srv/work", "ses_1"


class Poster:
    """Posts as the plugin does (its source at commit 0e1a6c3)."""

    def __init__(self, at: RunningListener, key: str = TOKEN) -> None:
        self.at = at
        self.key = key
        self.clock = 1_000

    async def post(self, kind: str, *, host: str = HOST, key: str | None = None, **fields: Any) -> int:
        self.clock += 1
        event = {"type": kind, "sessionId": SES, **fields}
        body = {**event, "instance": WORK, "hostname": host, "timestamp": fields.get("timestamp", self.clock)}
        headers = {"X-API-Key": self.key if key is None else key}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.at.url}events", json=body, headers=headers) as answer,
        ):
            return answer.status

    async def timeline(self, event: str, summary: str = "", **fields: Any) -> None:
        assert await self.post("timeline", eventType=event, summary=summary, **fields) == 200


def run(story: Any) -> None:
    async def main() -> None:
        async with running_listener() as at:
            await story(at, Poster(at))

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_turn_is_reported_from_prompt_to_end() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        await poster.post("session.created", title="Work", parentSessionId=None)
        assert at.status(SES) == "idle"
        await poster.timeline("user", "do it")
        assert at.status(SES) == "busy"
        await poster.timeline("tool", "ls -la", tool="bash")
        row = at.index.row(SES)
        assert row is not None
        assert (row.tool, row.server.source, row.server.host, row.server.directory) == (
            "bash",
            Source.DASHBOARD,
            HOST,
            WORK,
        )
        tokens = {"tokensIn": 10, "tokensOut": 5, "cacheRead": 3, "cacheWrite": 0, "reasoning": 1, "cost": 0.25}
        await poster.post(
            "tokens", messageId="msg_1", providerId="fake", modelId="fake-1", agent="build", durationMs=5, **tokens
        )
        await poster.post("file.edit", filePath="/srv/work/a", linesAdded=3, linesRemoved=1)
        await poster.post("file.edit", filePath="/srv/work/b", linesAdded=2, linesRemoved=0)
        await poster.timeline("message", "first\nDone.", modelId="fake-1", providerId="fake")
        await poster.post("session.idle")
        row = at.index.row(SES)
        assert row is not None
        session = row.session
        assert (row.status.value, session.title, session.last_output) == ("completed", "Work", "Done.")
        assert (session.model, session.agent, session.cost, session.tokens.total) == ("fake/fake-1", "build", 0.25, 19)
        assert (session.files, session.additions, session.deletions) == (2, 5, 1)

    run(story)


@pytest.mark.parametrize(
    ("event", "summary", "state", "detail"),
    [
        ("permission", "Permission: bash", "waiting_for_permission", "bash"),
        ("permission", "Permission: undefined", "waiting_for_permission", "no details reported"),
        ("question", "Question: Which one?", "waiting_for_answer", "Which one?"),
    ],
)
def test_a_request_is_shown_until_the_next_activity_and_is_read_only(
    event: str, summary: str, state: str, detail: str
) -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        await poster.timeline(event, summary)
        row = at.index.row(SES)
        assert row is not None
        assert (row.status.value, row.requests[0].detail, row.requests[0].complete) == (state, detail, False)
        assert "cannot receive answers" in row.server.read_only_reason
        with pytest.raises(CallError):
            await at.listener.call(
                row.server.id, "permission.reply", {"requestID": row.requests[0].id, "reply": "once"}
            )
        await poster.timeline("tool", "ls", tool="bash")
        assert at.status(SES) == "busy"

    run(story)


def test_an_error_stays_after_the_turn_and_a_stop_is_not_an_error() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        await poster.timeline("user", "do it")
        await poster.timeline("error", "no money")
        await poster.post("session.error", error="no money")
        await poster.post("session.idle")
        assert at.status(SES) == "error"
        await poster.timeline("user", "again")
        await poster.timeline("error", "Cancelled")
        await poster.post("session.idle", silent=True)
        assert at.status(SES) == "aborted"

    run(story)


def test_a_post_sent_before_the_end_of_the_turn_does_not_restart_it() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        await poster.timeline("user", "do it")
        await poster.post("session.idle", timestamp=5_000)
        await poster.timeline("tool", "ls", tool="bash", timestamp=4_000)
        assert at.status(SES) == "idle"

    run(story)


def test_a_request_of_a_subagent_session_is_shown_at_its_root_session() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        await poster.post("session.created", title="Root")
        await poster.post("session.created", title="Sub", sessionId="ses_2", parentSessionId=SES)
        await poster.post("timeline", eventType="permission", summary="Permission: bash", sessionId="ses_2")
        assert at.status(SES) == "waiting_for_permission"

    run(story)


def test_an_instance_without_posts_is_disconnected_until_its_next_post() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        await poster.timeline("user", "do it")
        at.at += SILENCE + 1
        at.listener.sweep()
        assert at.status(SES) == "disconnected"
        await poster.timeline("tool", "ls", tool="bash")
        assert at.status(SES) == "busy"

    run(story)


@pytest.mark.fault
def test_an_instance_is_disconnected_when_the_clock_is_set_back_and_there_again_with_its_next_post() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        await poster.timeline("user", "do it")
        at.at -= 86_400_000
        at.listener.sweep()
        assert at.status(SES) == "disconnected"
        await poster.timeline("tool", "ls", tool="bash")
        assert at.status(SES) == "busy"

    run(story)


def test_posts_without_the_token_or_from_web_pages_are_refused() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        for key in ("", "wrong", "\udcff"):
            headers = {"X-API-Key": key.encode("utf-8", "surrogateescape").decode("latin-1")}
            async with (
                aiohttp.ClientSession() as http,
                http.post(f"{at.url}events", data=b"{}", headers=headers) as answer,
            ):
                assert answer.status == 401
        assert await poster.post("session.created", key="wrong", title="x") == 401
        async with aiohttp.ClientSession() as http:
            foreign = {"X-API-Key": TOKEN, "Origin": "https://evil.example"}
            async with http.post(f"{at.url}events", data=b"{}", headers=foreign) as answer:
                assert answer.status == 403
            async with http.get(f"{at.url}events", headers={"X-API-Key": TOKEN}) as answer:
                assert answer.status == 426
        assert at.fleet.servers == {}

    run(story)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{broken", b'{"type": "timeline"}', b'{"sessionId": 7, "type": "x"}', b"\xff"]
)
def test_an_invalid_event_is_refused_with_400_and_a_reason(body: bytes) -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        key = {"X-API-Key": TOKEN}
        async with aiohttp.ClientSession() as http, http.post(f"{at.url}events", data=body, headers=key) as answer:
            assert (answer.status, (await answer.text()).startswith("invalid event: ")) == (400, True)
        assert await poster.post("a.later.type") == 200

    run(story)


def test_at_most_100_instances_are_connected() -> None:
    async def story(at: RunningListener, poster: Poster) -> None:
        for number in range(MAX_INSTANCES + 20):
            await poster.post("session.created", host=f"host-{number}", title="x")
        assert sum(server.connected for server in at.fleet.servers.values()) == MAX_INSTANCES
        assert not [event for event in at.events if isinstance(event, SnapshotTaken) and event.sessions is not None]

    run(story)


def test_at_most_1000_edited_files_of_a_session_are_kept() -> None:
    events: list[SourceEvent] = []
    dashboard = Dashboard(events.append, lambda: 0)
    for number in range(MAX_FILES + 1):
        dashboard.take(Post("file.edit", session_id=SES, file_path=f"/srv/work/{number}", lines_added=1))
    newest = events[-1]
    assert isinstance(newest, SessionReported)
    assert (newest.facts.files, newest.facts.additions) == (1000, 1001)
