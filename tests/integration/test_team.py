"""Sessions of other trays through a real broker: shown with their host, answered where allowed, and never stale."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from fakes import FRAMES, FakePlugin, connection
from mqtt_broker import Mosquitto, PausableRelay
from running_app import ASK, SES, SNAPSHOT, RunningApp
from tray.core.answers import Permit, Reply, RequestKey, Verdict
from tray.core.commands import AnswerRequest, DeleteSession, OpenSession, Surface
from tray.core.request_digest import digest
from tray.core.sessions import SessionKey
from tray.core.team import AnswerWanted, Topic
from tray.core.team_settings import Broker, key_text
from tray.sources.team.broker_connection import BrokerConnection, Message, NotConnectedError
from tray.sources.team.sealing import Sealer
from tray.storage.team_identity import read_identity
from tray_process import Home
from waiting import run
from waiting import until_async as until

SERVER = FRAMES["hello"]["instance"]
if sys.platform == "win32":
    pytest.skip("aiomqtt does not work with the event loop of Windows", allow_module_level=True)

TEAM_KEY = bytes(range(32))
SHOWN_WITHIN = 5.0  # s in which a change, also of a connection, has to be seen
ONCE = Permit(Verdict.ONCE)


def key_of(running: RunningApp) -> str:
    """Return the public key of a tray."""
    private = bytes.fromhex(read_identity(running.paths.team).private_key)
    return Sealer(TEAM_KEY, private).key


def join(running: RunningApp, url: str, answers: tuple[str, ...] = (), **more: Any) -> None:
    """Write the settings with which a tray is in the team. `more` are other settings of it."""
    values = {"broker": url, "key": key_text(TEAM_KEY), "answers": list(answers)} | more
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    running.settings.write_text("\n".join(["[team]", *lines]) + "\n", encoding="utf-8")


@asynccontextmanager
async def plugin(running: RunningApp, **hello: Any) -> AsyncIterator[FakePlugin]:
    async with connection(f"http://127.0.0.1:{running.app.port}/") as link:
        await link.authenticate(**hello)
        await link.send(SNAPSHOT)
        await until(lambda: session(running))
        yield link


def session(running: RunningApp, session_id: str = SES) -> dict[str, Any]:
    sessions = running.app.status()["sessions"]
    return next((found for found in sessions if found["id"] == session_id), {})


def server(running: RunningApp) -> dict[str, Any]:
    return next((found for found in running.app.status()["servers"] if found["source"] == "team"), {})


def status(running: RunningApp) -> str:
    return str(session(running).get("status", ""))


def audit(running: RunningApp) -> list[dict[str, Any]]:
    if not running.paths.audit.exists():
        return []
    return [json.loads(line) for line in running.paths.audit.read_text(encoding="utf-8").splitlines()]


def problems(running: RunningApp) -> str:
    return str(running.app.view().menu)


def shared_request(running: RunningApp) -> RequestKey:
    return RequestKey(server(running)["id"], "per_1")


@pytest.fixture
def broker(tmp_path: Path) -> Any:
    with Mosquitto(tmp_path) as running:
        yield running


def test_a_session_of_another_tray_is_shown_with_its_host_and_is_read_only(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with RunningApp(tmp_path / "desk") as desk, RunningApp(tmp_path / "far") as far:
            join(desk, broker.url)
            async with plugin(far) as link:
                join(far, broker.url)
                await until(lambda: session(desk), "the session", SHOWN_WITHIN)
                assert (server(desk)["host"], session(desk)["title"]) == ("workstation", "Work")
                await link.event("permission.asked", **ASK)
                await until(lambda: session(desk)["requests"], "the request", SHOWN_WITHIN)
                assert session(desk)["requests"][0]["detail"] == "ls"
                assert "has not named this tray in team.answers" in server(desk)["read_only_reason"]
                assert desk.notifications.shown == []
                assert desk.waiting == 0
                result = await desk.choose(AnswerRequest(shared_request(desk), ONCE))
                assert "read-only" in result.message
                assert audit(desk) == []
                assert audit(far) == []

    run(test())


@asynccontextmanager
async def shared(
    tmp_path: Path, url: str, far_url: str = ""
) -> AsyncIterator[tuple[RunningApp, RunningApp, FakePlugin]]:
    """Run a desk and another tray, whose request the desk shows and may answer."""
    async with RunningApp(tmp_path / "desk") as desk, RunningApp(tmp_path / "far") as far:
        join(desk, url)
        async with plugin(far) as link:
            join(far, far_url or url, (f"anna {key_of(desk)}",))
            await link.event("permission.asked", **ASK)
            await until(lambda: desk.waiting == 1, "the request at the desk", SHOWN_WITHIN)
            yield desk, far, link


async def confirm(link: FakePlugin) -> dict[str, Any]:
    """Take the call of an answer, and report that OpenCode has accepted it."""
    call: dict[str, Any] = await link.receive()
    await link.send({"id": call["id"], "result": {}})
    await link.event("permission.replied", sessionID=SES, requestID="per_1", reply=call["params"]["reply"])
    return call


def test_a_named_tray_answers_a_request_and_both_audit_logs_record_it(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with shared(tmp_path, broker.url) as (desk, far, link):
            await until(lambda: desk.notifications.shown, "the notification")
            answering = asyncio.create_task(desk.choose(AnswerRequest(shared_request(desk), ONCE)))
            call = await confirm(link)
            assert (call["method"], call["params"]["reply"]) == ("permission.reply", "once")
            assert (await answering).message == "Allowed once: bash"
            assert session(desk)["requests"] == []
            (_, there), (_, here) = audit(far), audit(desk)
            assert (there["surface"], there["result"], there["verdict"]) == ("team", "answered", "once")
            desk_id = Sealer(TEAM_KEY, bytes.fromhex(read_identity(desk.paths.team).private_key)).id
            assert there["device"] == f"anna (tray {desk_id})"
            assert (here["surface"], here["result"]) == ("menu", "answered")

    run(test())


def test_a_question_is_answered_and_a_permission_rejected_with_a_message(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with shared(tmp_path, broker.url) as (desk, far, link):
            await link.event(
                "question.asked", id="que_1", sessionID=SES, questions=[{"question": "Which?", "options": []}]
            )
            await until(lambda: len(session(desk)["requests"]) == 2, "the question", SHOWN_WITHIN)
            command = AnswerRequest(RequestKey(server(desk)["id"], "que_1"), Reply((("my own words",),)))
            answering = asyncio.create_task(desk.choose(command))
            call = await link.receive()
            assert (call["method"], call["params"]["answers"]) == ("question.reply", [["my own words"]])
            await link.send({"id": call["id"], "result": {}})
            await link.event("question.replied", sessionID=SES, requestID="que_1", answers=[["my own words"]])
            assert (await answering).message.startswith("Answered")
            reject = AnswerRequest(shared_request(desk), Permit(Verdict.REJECT, "do less"))
            rejecting = asyncio.create_task(desk.choose(reject, Surface.COMMAND))
            assert (await confirm(link))["params"]["message"] == "do less"
            assert (await rejecting).message == "Rejected: bash"
            assert "my own words" not in json.dumps(audit(far))
            assert [entry["surface"] for entry in audit(far)] == ["team"] * 4

    run(test())


def test_another_member_of_the_team_cannot_answer(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with shared(tmp_path, broker.url) as (_, far, _link), RunningApp(tmp_path / "other") as other:
            join(other, broker.url)
            await until(lambda: session(other), "the session", SHOWN_WITHIN)
            result = await other.choose(AnswerRequest(shared_request(other), ONCE))
            assert (result.ok, "read-only" in result.message) == (False, True)
            assert audit(far) == []
            assert far.waiting == 1

    run(test())


def test_what_a_member_forges_or_repeats_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    """A holder of the team key writes to the broker itself, and repeats an answer of the tray that may answer."""

    async def test() -> None:
        async with shared(tmp_path, broker.url) as (desk, far, link):
            stranger = Sealer(TEAM_KEY, b"\7" * 32)
            far_id = server(desk)["id"].split("/")[1]
            topic = Topic("team", far_id, "ask")
            request = far.app.state.fleet.request(RequestKey(SERVER, "per_1"))
            assert request is not None
            forged = AnswerWanted(
                "1", far.app.state.now(), stranger.box, SERVER, "per_1", digest(SERVER, request), Verdict.ONCE
            )
            async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
                await client.subscribe([(str(topic), 1), (str(Topic("team", stranger.id, "result")), 1)])
                messages = client.messages
                await client.publish(str(topic), stranger.seal(topic, forged), 1)
                assert (await anext(messages)).topic.value == str(topic)
                answer = await anext(messages)
                assert isinstance(answer.payload, bytes)
                opened = stranger.open(Topic("team", stranger.id, "result"), answer.payload)
                assert b"not named in team.answers" in opened.record
                answering = asyncio.create_task(desk.choose(AnswerRequest(shared_request(desk), ONCE)))
                await confirm(link)
                assert (await answering).ok
                captured = await anext(messages)
                await link.event("permission.asked", **ASK)
                written = len(audit(far))
                assert isinstance(captured.payload, bytes)
                await client.publish(str(topic), captured.payload, 1)
                await client.publish(str(topic), stranger.seal(topic, forged), 1)
                assert (
                    b"not named"
                    in stranger.open(
                        Topic("team", stranger.id, "result"), await payload_on(messages, stranger.id)
                    ).record
                )
                assert len(audit(far)) == written

    run(test())


async def payload_on(messages: Any, tray_id: str) -> bytes:
    async for message in messages:
        if tray_id in message.topic.value:
            return bytes(message.payload)
    raise AssertionError


@pytest.mark.fault
@pytest.mark.parametrize(
    ("end", "begin"),
    [(Mosquitto.kill, Mosquitto.start), (Mosquitto.pause, Mosquitto.resume)],
    ids=["killed and started", "stopped and going on"],
)
def test_after_the_broker_was_away_everything_is_true_again(
    broker: Mosquitto, tmp_path: Path, end: Callable[[Mosquitto], None], begin: Callable[[Mosquitto], None]
) -> None:
    async def test() -> None:
        async with shared(tmp_path, broker.url) as (desk, far, link):
            end(broker)
            await until(lambda: status(desk) == "disconnected", "the loss", SHOWN_WITHIN)
            assert "no connection to the broker" in problems(desk)
            result = await desk.choose(AnswerRequest(shared_request(desk), ONCE))
            assert not result.ok
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await link.event("session.status", sessionID=SES, status={"type": "busy"})
            await until(lambda: status(far) == "busy")
            begin(broker)
            await until(lambda: status(desk) == "busy", "the state now", SHOWN_WITHIN)
            assert session(desk)["requests"] == []
            await until(lambda: "no connection to the broker" not in problems(desk))

    run(test())


async def answered_meanwhile(desk: RunningApp, relay: PausableRelay, link: FakePlugin) -> None:
    """Answer the request while the desk cannot know it, resume, and wait until the desk shows it."""
    await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
    relay.resume()
    await until(lambda: status(desk) == "idle", "the state now", SHOWN_WITHIN)


@pytest.mark.fault
def test_a_tray_that_is_cut_off_is_shown_as_disconnected_until_it_is_back(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with PausableRelay(broker.port) as relay, shared(tmp_path, broker.url, relay.url) as (desk, _, link):
            relay.pause()
            await until(lambda: status(desk) == "disconnected", "the loss", SHOWN_WITHIN)
            result = await desk.choose(AnswerRequest(shared_request(desk), ONCE))
            assert not result.ok
            await answered_meanwhile(desk, relay, link)

    run(test())


@pytest.mark.fault
def test_a_desk_that_is_cut_off_shows_everything_as_disconnected(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with PausableRelay(broker.port) as relay, shared(tmp_path, relay.url, broker.url) as (desk, _, link):
            relay.pause()
            await until(lambda: status(desk) == "disconnected", "the loss", SHOWN_WITHIN)
            await answered_meanwhile(desk, relay, link)

    run(test())


def test_a_tray_that_is_cut_off_stops_within_two_seconds(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with PausableRelay(broker.port) as relay, RunningApp(tmp_path / "desk") as desk:
            join(desk, broker.url)
            async with RunningApp(tmp_path / "far") as far, plugin(far):
                join(far, relay.url)
                await until(lambda: session(desk), "the session", SHOWN_WITHIN)
                relay.pause()

    run(test())


class MemberThatFailsAtTheEnd:
    """Its work raises an error when it is cancelled, as a publication on a lost connection does."""

    topics = ("opencode-tray/test",)

    def __init__(self) -> None:
        self.works = asyncio.Event()

    def begin(self) -> Message:
        return Message(self.topics[0], b"will")

    goodbye = begin

    async def work(self) -> None:
        self.works.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise NotConnectedError from error

    def receive(self, topic: str, payload: bytes) -> None:
        pass

    def lose(self) -> None:
        pass

    def report_problem(self, text: str) -> None:
        pass


class MemberThatReceives(MemberThatFailsAtTheEnd):
    """Keeps the sizes of what others publish."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def receive(self, topic: str, payload: bytes) -> None:
        self.sizes.append(len(payload))


def test_a_huge_publication_of_a_member_does_not_reach_another(broker: Mosquitto) -> None:
    async def test() -> None:
        member = MemberThatReceives()
        address = Broker("127.0.0.1", broker.port, is_encrypted=False, username="")
        connection = BrokerConnection(address, "", "test", member)
        task = asyncio.create_task(connection.run())
        await asyncio.wait_for(member.works.wait(), SHOWN_WITHIN)
        async with aiomqtt.Client("127.0.0.1", broker.port) as hostile:
            await hostile.publish(member.topics[0], bytes(60_000_000), 1, retain=True)
            await hostile.publish(member.topics[0], b"small", 1)
        await until(lambda: member.sizes, "the small one", SHOWN_WITHIN)
        assert member.sizes == [5]
        connection.end()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(test())


def test_a_connection_is_not_opened_again_if_its_end_fails(broker: Mosquitto) -> None:
    async def test() -> None:
        member = MemberThatFailsAtTheEnd()
        connection = BrokerConnection(
            Broker("127.0.0.1", broker.port, is_encrypted=False, username=""), "", "test", member
        )
        task = asyncio.create_task(connection.run())
        await asyncio.wait_for(member.works.wait(), SHOWN_WITHIN)
        connection.end()
        task.cancel()
        await until(task.done, "its end", SHOWN_WITHIN)
        assert not task.cancelled()
        assert task.exception() is None

    run(test())


def test_a_tray_that_stops_says_goodbye_and_its_session_is_gone_when_the_settings_say_so(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async def test() -> None:
        async with RunningApp(tmp_path / "desk") as desk:
            join(desk, broker.url)
            async with RunningApp(tmp_path / "far") as far, plugin(far):
                join(far, broker.url)
                await until(lambda: session(desk), "the session", SHOWN_WITHIN)
                join(far, broker.url, publish=False)
                await until(lambda: not session(desk), "its end", SHOWN_WITHIN)
                join(far, broker.url)
                await until(lambda: session(desk), "the session", SHOWN_WITHIN)
                far.app.stop()
                await until(lambda: status(desk) == "disconnected", "the goodbye", SHOWN_WITHIN)
                assert [known.said_goodbye for known in desk.app.state.fleet.servers.values()] == [True]
            desk.settings.write_text("", encoding="utf-8")
            await until(lambda: not desk.app.status()["servers"], "the end of the team", SHOWN_WITHIN)

    run(test())


@pytest.mark.fault
def test_a_killed_tray_is_shown_as_disconnected_by_its_last_will(broker: Mosquitto, tmp_path: Path) -> None:
    far = Home(tmp_path / "home")
    far.path.mkdir()
    far.environment |= {"OPENCODE_TRAY_TEAM_BROKER": broker.url, "OPENCODE_TRAY_TEAM_KEY": key_text(TEAM_KEY)}
    far.tray("--no-notify")

    async def test() -> None:
        async with RunningApp(tmp_path / "desk") as desk, connection(f"http://127.0.0.1:{far.port}/") as link:
            join(desk, broker.url)
            await link.authenticate(far.token)
            await link.send(SNAPSHOT)
            await until(lambda: session(desk), "the session", SHOWN_WITHIN)
            await asyncio.to_thread(far.kill)
            await until(lambda: status(desk) == "disconnected", "the last will", SHOWN_WITHIN)

    try:
        run(test())
    finally:
        far.stop()


def test_a_tray_with_another_key_sees_nothing_and_says_so(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with RunningApp(tmp_path / "desk") as desk, RunningApp(tmp_path / "far") as far, plugin(far):
            join(desk, broker.url, key="1" * 64)
            join(far, broker.url)
            await until(lambda: "cannot be opened" in problems(desk), "the problem", SHOWN_WITHIN)
            assert not session(desk)
            join(desk, broker.url)
            await until(lambda: session(desk), "the session", SHOWN_WITHIN)
            assert "cannot be opened" not in problems(desk)

    run(test())


def test_three_trays_show_a_session_once_and_from_the_best_source(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with shared(tmp_path, broker.url) as (desk, _, _link), RunningApp(tmp_path / "third") as third:
            join(third, broker.url)
            await until(lambda: session(third), "the session", SHOWN_WITHIN)
            async with plugin(third):
                await until(lambda: len(desk.app.status()["servers"]) == 2, "the second server", SHOWN_WITHIN)
                assert [found["id"] for found in desk.app.status()["sessions"]] == [SES]
                own = session(third)
                assert own["server"] == SERVER
                assert len([s for s in third.app.status()["servers"] if s["source"] == "team"]) == 1

    run(test())


def test_a_session_of_another_tray_can_be_neither_opened_nor_changed(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with shared(tmp_path, broker.url) as (desk, _, _link):
            key = SessionKey(server(desk)["id"], SES)
            opened = await desk.choose(OpenSession(key))
            assert "add it to `[[hosts]]`" in opened.message
            deleted = await desk.choose(DeleteSession(key))
            assert "another tray takes only answers" in deleted.message

    run(test())


def test_a_broker_that_wants_a_password_gets_it_and_no_one_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret, team_key = "the-password-of-the-broker", key_text(TEAM_KEY)
    passwords = tmp_path / "passwords"
    passwords.write_text(f"tray:{secret}\n", encoding="utf-8")
    made = subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=False)
    assert made.returncode == 0
    passwords.chmod(0o644)
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("BROKER_PASSWORD", "wrong")
    monkeypatch.setenv("TEAM_KEY", team_key)

    async def test(url: str) -> None:
        async with RunningApp(tmp_path / "desk") as desk, RunningApp(tmp_path / "far") as far, plugin(far):
            more = {"key": "", "key_env": "TEAM_KEY", "password_env": "BROKER_PASSWORD"}
            join(desk, url, **more)
            await until(lambda: "no connection to the broker" in problems(desk), "the problem", SHOWN_WITHIN)
            monkeypatch.setenv("BROKER_PASSWORD", secret)
            join(desk, url, name="team", **{**more, "publish": False})
            join(far, url, **more)
            await until(lambda: session(desk), "the session", SHOWN_WITHIN)
            shown = problems(desk) + json.dumps(desk.app.status()) + caplog.text
            assert secret not in shown
            assert team_key not in shown

    with Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as running:
        run(test(running.url.replace("//", "//tray@")))


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"key": ""}, "opencode-tray team key"),
        ({"key": "", "key_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
        ({"password_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
    ],
)
def test_settings_that_cannot_work_say_what_is_missing(more: dict[str, str], problem: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with RunningApp(tmp_path) as desk:
            join(desk, "mqtt://127.0.0.1:1", **more)
            await until(lambda: problem in problems(desk), "the problem", SHOWN_WITHIN)

    run(test())


def test_without_the_library_the_menu_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)

    async def test() -> None:
        async with RunningApp(tmp_path) as desk:
            join(desk, "mqtt://127.0.0.1:1")
            await until(lambda: "opencode-tray[team]" in problems(desk), "the problem", SHOWN_WITHIN)

    run(test())
