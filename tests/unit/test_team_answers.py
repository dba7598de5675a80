"""Answers through the broker: only to what a tray shares itself, and only the tray that was asked gives the result."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from replay import SERVER
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, CommandResult
from tray.core.events import RequestAsked, ServerConnected, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.published_tray import PublishedTray
from tray.core.request_digest import digest
from tray.core.servers import Server, Source
from tray.core.sessions import Request, RequestKind, Session
from tray.core.source_calls import CallError, CallErrorKind
from tray.core.team import ASK, RESULT, AnswerWanted, Ask, Presence, Result, SharedServer, Snapshot, Topic, topic_of
from tray.core.team_settings import TrustedTray
from tray.sources.team.answers import MAX_AT_ONCE, AnswersFromHere, AnswersOfOthers
from tray.sources.team.broker_connection import Message
from tray.sources.team.outbox import Outbox
from tray.sources.team.sealing import Sealer, decode
from waiting import run, until_async

TEAM_KEY, AT = bytes(32), 1_790_000_000_000
OWNER, DESK, OTHER = (Sealer(TEAM_KEY, bytes([n]) * 32) for n in (1, 2, 3))
REQUEST = Request("per_1", "ses_1", RequestKind.PERMISSION, "bash", "ls", asked_at=AT)


class Mail:
    """Keeps what one tray publishes."""

    def __init__(self, sender: Sealer) -> None:
        self.messages: list[Message] = []
        self.outbox = Outbox("team", sender, self._publish)

    async def _publish(self, message: Message) -> None:
        self.messages.append(message)

    def opened(self, reader: Sealer, kind: Any) -> Any:
        topic = topic_of(self.messages[-1].topic)
        assert topic is not None
        return decode(reader.open(topic, self.messages[-1].payload).record, kind)


class Owner:
    """The tray with the request."""

    def __init__(self, server: Server = SERVER) -> None:
        self.fleet = Fleet()
        for event in (ServerConnected(server), SnapshotTaken(server.id), RequestAsked(server.id, REQUEST)):
            self.fleet.apply(event, AT)
        self.mail = Mail(OWNER)
        self.executed: list[AnswerRequest] = []
        trusted = (TrustedTray("anna", DESK.key),)
        self.answers = AnswersOfOthers(self.fleet, self.mail.outbox, trusted, self.execute, lambda: AT)

    async def execute(self, command: AnswerRequest) -> CommandResult:
        self.executed.append(command)
        return CommandResult("Allowed once: bash")

    async def result(self, sender: Sealer, server: str = SERVER.id) -> Result:
        ask = AnswerWanted("1", AT, sender.box, server, "per_1", digest(server, REQUEST), Verdict.ONCE)
        await self.answers.answer(ask, sender.key)
        assert self.mail.messages[-1].topic == str(Topic("team", sender.id, RESULT))
        result: Result = self.mail.opened(sender, Result)
        return result


def test_an_answer_is_executed_with_what_is_pending_and_the_name_of_the_settings() -> None:
    async def test() -> None:
        owner = Owner()
        assert await owner.result(DESK) == Result("1", ok=True, message="Allowed once: bash")
        (command,) = owner.executed
        assert (command.request, command.seen) == (RequestKey(SERVER.id, "per_1"), REQUEST)
        assert command.answer == Permit(Verdict.ONCE)
        assert command.device == f"anna (tray {DESK.id})"

    run(test())


def test_nothing_is_executed_for_a_key_that_is_not_named() -> None:
    async def test() -> None:
        owner = Owner()
        assert "not named" in (await owner.result(OTHER)).message
        assert owner.executed == []

    run(test())


@pytest.mark.parametrize(
    "server", [replace(SERVER, source=Source.TEAM, owner="bob@box"), replace(SERVER, verified=False)]
)
def test_a_request_that_this_tray_does_not_share_itself_cannot_be_answered_through_it(server: Server) -> None:
    async def test() -> None:
        owner = Owner(server)
        assert "no longer waiting" in (await owner.result(DESK)).message
        assert owner.executed == []

    run(test())


def test_a_flood_of_answers_is_limited_also_while_the_results_are_sent() -> None:
    async def test() -> None:
        owner, is_sent = Owner(), asyncio.Event()
        sending = 0

        async def publish(_: Message) -> None:
            nonlocal sending
            sending += 1
            await is_sent.wait()

        answers = AnswersOfOthers(owner.fleet, Outbox("team", OWNER, publish), (), owner.execute, lambda: AT)
        ask = AnswerWanted("1", AT, OTHER.box, SERVER.id, "per_1", digest(SERVER.id, REQUEST), Verdict.ONCE)
        flood = [asyncio.create_task(answers.answer(ask, OTHER.key)) for _ in range(3 * MAX_AT_ONCE)]
        await until_async(lambda: sending, "the first result")
        is_sent.set()
        await asyncio.gather(*flood)
        assert (sending, owner.executed) == (MAX_AT_ONCE, [])

    run(test())


class Asker:
    """The desk, which shows the request."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.tray = PublishedTray(OWNER.id, DESK.key)
        self.tray.on_presence(Presence(1, 1, is_online=True, name="bob@box", box=OWNER.box, answers=(DESK.key,)))
        session = Session("ses_1", "s", requests=(REQUEST,))
        for event in self.tray.on_snapshot(Snapshot(1, 1, (SharedServer("s", "p", "box", "/p"),), (session,))):
            self.fleet.apply(event, AT)
        self.mail = Mail(DESK)
        self.answers = AnswersFromHere(self.fleet, self.mail.outbox, DESK.box, lambda: AT)

    def send(self, method: str = "permission.reply", **params: Any) -> asyncio.Task[None]:
        values = {"requestID": "per_1", "reply": "once", **params}
        return asyncio.create_task(self.answers.send(self.tray, self.tray.server_id("s"), method, values))

    async def asked(self) -> AnswerWanted:
        await until_async(lambda: self.mail.messages)
        assert self.mail.messages[-1].topic == str(Topic("team", OWNER.id, ASK))
        ask = self.mail.opened(OWNER, Ask)
        assert isinstance(ask, AnswerWanted)
        return ask


def test_an_answer_goes_to_the_owner_alone_with_the_digest_of_what_was_shown() -> None:
    async def test() -> None:
        asker = Asker()
        sending = asker.send()
        ask = await asker.asked()
        assert (ask.server, ask.request, ask.seen) == ("s", "per_1", digest("s", REQUEST))
        asker.answers.receive(Result(ask.id, ok=True, message="done"), OTHER.key)
        await asyncio.sleep(0)
        assert not sending.done()
        asker.answers.receive(Result(ask.id, ok=True, message="done"), OWNER.key)
        await sending

    run(test())


def test_a_refusal_says_why() -> None:
    async def test() -> None:
        asker = Asker()
        sending = asker.send()
        asker.answers.receive(Result((await asker.asked()).id, ok=False, message="the request has changed"), OWNER.key)
        with pytest.raises(CallError, match="the request has changed"):
            await sending

    run(test())


def test_a_lost_connection_ends_the_wait() -> None:
    async def test() -> None:
        asker = Asker()
        sending = asker.send()
        await asker.asked()
        asker.answers.lose()
        with pytest.raises(CallError) as caught:
            await sending
        assert caught.value.kind is CallErrorKind.GONE
        asker.tray.lose()
        with pytest.raises(CallError, match="not connected"):
            await asker.send()

    run(test())


@pytest.mark.parametrize("method", ["session.abort", "session.delete", "session.prompt", "permission.list"])
def test_nothing_but_an_answer_is_sent(method: str) -> None:
    async def test() -> None:
        asker = Asker()
        with pytest.raises(CallError) as caught:
            await asker.send(method)
        assert caught.value.kind is CallErrorKind.READ_ONLY
        assert asker.mail.messages == []

    run(test())
