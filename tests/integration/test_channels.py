"""What every channel promises, with a stand-in of its service; and what only some can do."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fake_services import (
    FULL,
    SECRET,
    SERVICES,
    FakeApprise,
    FakeGotify,
    FakeMail,
    FakeNtfy,
    FakeSlack,
    Service,
    channel_tables,
    running_service,
)
from fakes import FakePlugin
from page_client import PageClient
from running_app import ASK, SES, SNAPSHOT, RunningApp
from tray.core.settings import CHANNELS
from tray.surfaces.channels.kinds import apprise
from waiting import run, until_async


def write_settings(path: Path, *channels: Mapping[str, Any]) -> None:
    (path / "settings.toml").write_text(channel_tables(*channels))


@pytest.fixture
def with_services(tmp_path: Path, at_work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a context manager that runs an app with a channel for each of these services."""

    @asynccontextmanager
    async def work(*services: Service, **fields: Any) -> AsyncIterator[tuple[RunningApp, FakePlugin]]:
        async with contexts(*services):
            write_settings(tmp_path, *({**service.settings(), **FULL, **fields} for service in services))
            async with at_work() as both:
                yield both

    return work


@asynccontextmanager
async def contexts(*services: Service) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(running_service(service))
        yield


async def shows(service: Service, text: str) -> None:
    await until_async(
        lambda: any(text in shown for shown in service.texts.values()),
        f"{text!r} in {service.kind}; there is {service.texts}",
    )


@pytest.mark.parametrize("make", SERVICES)
def test_a_request_is_sent_and_each_copy_says_how_it_was_answered(
    with_services: Callable[..., Any], make: type[Service]
) -> None:
    async def test() -> None:
        service = make()
        async with with_services(service) as (_, link):
            await link.event("permission.asked", **ASK)
            await shows(service, "bash: ls")
            await shows(service, "Work")
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await shows(service, "Allowed once elsewhere")

    run(test())


@pytest.mark.parametrize("make", SERVICES)
@pytest.mark.parametrize("status", [429, 500])
def test_a_message_that_is_refused_for_now_is_sent_later(
    with_services: Callable[..., Any], make: type[Service], status: int
) -> None:
    async def test() -> None:
        service = make()
        async with with_services(service) as (_, link):
            service.faults = [status]
            await link.event("permission.asked", **ASK)
            await shows(service, "bash: ls")
            assert service.faults == []

    run(test(), 60)


@pytest.mark.parametrize("make", SERVICES)
def test_a_test_message_is_sent_and_no_secret_is_shown_or_logged(
    with_services: Callable[..., Any], make: type[Service], caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        service = make()
        with caplog.at_level(logging.DEBUG):
            async with with_services(service) as (running, link):
                channels = running.app.channels
                result = await channels.test(service.kind)
                assert result.ok, result
                await shows(service, "Test of OpenCode Tray")
                service.faults = [401 if not isinstance(service, FakeMail) else 429]
                await link.event("permission.asked", **ASK)
                await until_async(lambda: channels.overview()[0].problem, "the problem")
                seen = [str(running.views), str(channels.overview()), str(running.app.status())]
                seen += [record.getMessage() for record in caplog.records if record.name.startswith("tray")]
                seen.append(str(CHANNELS.show(running.app.state.settings()[CHANNELS])))
                assert not [text for text in seen if SECRET in text]

    run(test())


def test_the_buttons_of_ntfy_answer_and_are_gone_afterwards(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        service = FakeNtfy()
        async with with_services(service) as (_, link), aiohttp.ClientSession() as phone:
            await link.event("permission.asked", **ASK)
            await shows(service, "bash: ls")
            (reference,) = service.actions
            assert service.priorities[reference] == 4
            allow = next(action for action in service.actions[reference] if action["label"] == "Allow once")
            for _ in range(2):  # a button can be pressed twice
                await phone.post(allow["url"], data=allow["body"], headers=allow["headers"])
            call = await link.receive()
            assert (call["method"], call["params"]["reply"]) == ("permission.reply", "once")
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await shows(service, "Allowed once by a reader of the topic (ntfy)")
            assert (service.actions[reference], service.priorities[reference]) == ([], 1)
            assert list(service.texts) == [reference]  # it was replaced in place

    run(test())


def test_a_press_on_ntfy_while_the_tray_was_away_counts(at_work: Callable[..., Any], tmp_path: Path) -> None:
    async def test() -> None:
        service = FakeNtfy()
        async with contexts(service), aiohttp.ClientSession() as phone:
            write_settings(tmp_path, {**service.settings(), **FULL})
            async with at_work() as (running, link):
                await link.event("permission.asked", **ASK)
                await shows(service, "bash: ls")
                (actions,) = service.actions.values()
                await phone.post(actions[0]["url"], data="unknown")
                kept = running.paths.channels
                await until_async(lambda: '"last"' in (kept.read_text() if kept.exists() else ""), "what was handled")
            await phone.post(actions[0]["url"], data=actions[0]["body"])
            async with at_work(snapshot={**SNAPSHOT, "permissions": [ASK]}) as (_, link):
                while (call := await link.receive())["method"] != "permission.reply":
                    pass
                assert (call["params"]["requestID"], call["params"]["reply"]) == ("per_1", "once")

    run(test())


def test_slack_takes_presses_and_texts_of_its_user_only(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        service = FakeSlack()
        async with with_services(service) as (_, link):
            await link.event("permission.asked", **ASK)
            await shows(service, "bash: ls")
            ((ts, buttons),) = service.buttons.items()
            await service.press(buttons["Allow once"], "U666")
            await service.write("use git", ts, "U666")
            await until_async(lambda: service.said, "the refusal")
            assert service.said == [("U666", "These buttons belong to another user")]
            await service.disconnect()
            await service.write("use git ls-files", ts)
            call = await link.receive()
            assert (call["params"]["reply"], call["params"]["message"]) == ("reject", "use git ls-files")
            await link.send({"id": call["id"], "result": {}})
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="reject")
            await shows(service, "Rejected by U1 (slack)")
            assert service.buttons[ts] == {}
            await link.event("permission.asked", **{**ASK, "id": "per_2", "metadata": {"command": "pwd"}})
            await shows(service, "bash: pwd")
            await service.press(service.buttons["2.0"]["Allow once"])
            call = await link.receive()
            assert call["params"]["reply"] == "once"
            await until_async(lambda: len(service.acknowledged) == 4, "every event is acknowledged")

    run(test())


def test_an_answer_that_takes_long_does_not_hold_up_the_end_of_the_tray(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        service = FakeSlack()
        async with with_services(service) as (_, link):  # its end fails after 2 s
            await link.event("permission.asked", **ASK)
            await shows(service, "bash: ls")
            ((_, buttons),) = service.buttons.items()
            await service.press(buttons["Allow once"])
            assert (await link.receive())["method"] == "permission.reply"

    run(test())


def test_a_channel_of_another_kind_inherits_nothing_from_one_of_the_same_name(
    with_services: Callable[..., Any], tmp_path: Path
) -> None:
    async def test() -> None:
        before, after = FakeNtfy(), FakeGotify()
        async with contexts(after), with_services(before, name="phone") as (running, link):
            await link.event("permission.asked", **ASK)
            await shows(before, "bash: ls")
            file = running.paths.channels
            await until_async(lambda: file.exists() and "reply_topic" in file.read_text(), "what ntfy keeps")
            write_settings(tmp_path, {**after.settings(), **FULL, "name": "phone"})
            await shows(after, "bash: ls")
            await until_async(lambda: '"gotify"' in file.read_text(), "the new record")
            assert "reply_topic" not in file.read_text()

    run(test())


def test_gotify_deletes_messages_with_the_token_of_a_client(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        service = FakeGotify()
        async with with_services(service, client_token="client") as (_, link):
            await link.event("permission.asked", **ASK)
            await shows(service, "bash: ls")
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await until_async(lambda: not service.texts, "the message is gone")

    run(test())


def test_the_mails_about_a_request_are_one_conversation(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        service = FakeMail()
        async with with_services(service) as (_, link):
            await link.event("permission.asked", **ASK)
            await until_async(lambda: len(service.mails) == 1, "the first mail")
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await until_async(lambda: len(service.mails) == 2, "the second mail")
            found = re.search(r"^Message-ID: (<.+>)", service.mails[0], re.MULTILINE | re.IGNORECASE)
            assert found is not None
            assert f"In-Reply-To: {found[1]}" in service.mails[1]
            assert "Auto-Submitted: auto-generated" in service.mails[0]

    run(test())


def test_no_two_mails_have_the_same_id_because_servers_drop_the_second(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        service = FakeMail()
        async with with_services(service) as (running, link):
            failed = {"sessionID": SES, "error": {"name": "APIError", "data": {"message": "quota"}}}
            for count in (1, 2):
                await running.app.channels.test("email")
                await link.event("session.status", sessionID=SES, status={"type": "busy"})
                await link.event("session.error", **failed)
                await until_async(lambda count=count: sum("quota" in mail for mail in service.mails) == count)
            ids = [re.findall(r"^Message-ID: (<.+>)", mail, re.MULTILINE | re.IGNORECASE)[0] for mail in service.mails]
            assert (len(ids), len(set(ids))) == (4, 4), ids

    run(test())


def test_the_page_lists_the_channels_and_tests_them(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        service = FakeNtfy()
        async with with_services(service) as (running, _), aiohttp.ClientSession() as session:
            client = await PageClient.pair(session, running)
            status, answer = await client.call("POST", "/api/channels/ntfy/test", {})
            assert (status, "Sent" in answer["message"]) == (200, True), answer
            await shows(service, "Test of OpenCode Tray")
            status, answer = await client.call("GET", "/api/channels")
            assert [(found["name"], found["problem"]) for found in answer["channels"]] == [("ntfy", "")]
            status, answer = await client.call("POST", "/api/channels/other/test", {})
            assert status == 409
            assert "no channel is named 'other'" in answer["error"]

    run(test())


def test_an_address_that_apprise_does_not_know_is_a_problem(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        async with with_services(FakeApprise(), url=f"jsonn://{SECRET}") as (running, _):
            result = await running.app.channels.test("apprise")
            assert not result.ok
            assert "Apprise does not know this kind of address" in result.message

    run(test())


def test_apprise_says_why_a_service_refused_without_the_secrets_of_its_address(
    with_services: Callable[..., Any],
) -> None:
    async def test() -> None:
        service = FakeApprise()
        async with with_services(service) as (running, _):
            service.faults = [401]
            result = await running.app.channels.test("apprise")
            assert not result.ok
            assert "401" in result.message
            assert SECRET not in result.message

    run(test())


def test_apprise_that_is_not_installed_is_a_problem(
    with_services: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        monkeypatch.setattr(apprise, "find_spec", lambda _: None)
        async with with_services(FakeApprise()) as (running, _):
            (state,) = running.app.channels.overview()
            assert "Apprise is not installed; see docs/channels.md" in state.problem

    run(test())


def test_an_alert_goes_to_all_channels_and_an_answer_is_shown_in_all(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        services = tuple(make() for make in SERVICES if make is not FakeApprise)  # it starts a process for each message
        async with with_services(*services) as (running, link):
            await link.event("permission.asked", **ASK)
            for service in services:
                await shows(service, "bash: ls")
            assert len(running.notifications.shown) == 1
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="reject")
            await asyncio.wait_for(asyncio.gather(*(shows(service, "Rejected elsewhere") for service in services)), 2)

    run(test())


def test_only_the_reasons_and_projects_of_the_settings_are_sent(with_services: Callable[..., Any]) -> None:
    async def test() -> None:
        elsewhere, errors, all_ = FakeNtfy(), FakeGotify(), FakeMail()
        async with contexts(elsewhere, errors), with_services(all_) as (running, link):
            write_settings(
                running.settings.parent,
                {**elsewhere.settings(), **FULL, "projects": ["/somewhere/else"]},
                {**errors.settings(), **FULL, "reasons": ["error"]},
                {**all_.settings(), **FULL},
            )
            await until_async(lambda: len(running.app.channels.overview()) == 3, "the new settings")
            await link.event("permission.asked", **ASK)
            await shows(all_, "bash: ls")
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await link.event("session.error", sessionID=SES, error={"name": "APIError", "data": {"message": "quota"}})
            await shows(errors, "quota")
            assert (elsewhere.texts, len(errors.texts)) == ({}, 1)

    run(test())


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"kind": "signal"}, "unknown kind of channel 'signal'; use apprise, discord"),
        ({"kind": "telegram"}, "Telegram needs token or token_env"),
        ({"kind": "telegram", "token_env": "NOT_SET"}, "the environment variable NOT_SET is not set"),
        ({"kind": "telegram", "token": "x"}, "NUMBER:LETTERS"),
        ({"kind": "ntfy", "topic": "a/b"}, "letters, digits"),
        ({"kind": "gotify", "server": "http://127.0.0.1:1", "token": "x\n"}, "token contains a line break"),
        ({"kind": "ntfy", "topic": "a", "topik": "b"}, "unknown field topik"),
        ({"kind": "discord", "url": "https://example.org"}, "ends with /webhooks/"),
        ({"kind": "slack", "token": "x", "user": "U1"}, "begins with xoxb-"),
        ({"kind": "webhook", "url": "file:///etc/passwd"}, "begins with https://"),
        ({"kind": "email", "host": "h", "to": "no address"}, "e-mail addresses"),
        ({"kind": "email", "host": "h", "to": "a@b", "security": "some"}, 'security is "starttls"'),
    ],
)
def test_settings_that_cannot_work_are_a_problem_that_says_what_to_do(
    at_work: Callable[..., Any], tmp_path: Path, table: dict[str, Any], problem: str
) -> None:
    async def test() -> None:
        write_settings(tmp_path, table)
        async with at_work() as (running, _):
            await until_async(lambda: problem in str(running.views[-1]), f"{problem}; it is {running.views[-1]}")
            write_settings(tmp_path)
            await until_async(lambda: problem not in str(running.views[-1]), "the end of the problem")

    run(test())
