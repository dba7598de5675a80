"""Notifications of paired browsers: sent, answered, replaced, and ended when the browser or the user wants none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakes import FakePlugin
from page_client import PageClient, new_address
from push_service import PlayedBrowser, PushService, running_push_service
from running_app import ASK, SES, SNAPSHOT, RunningApp
from tray.core.commands import RevokeDevice
from tray.core.devices import Scope
from tray.storage import audit
from tray.surfaces.channels.kinds import push
from tray.surfaces.page import push_routes
from waiting import run, until_async

NOW = '[[channels]]\nkind = "push"\ndelay = 0\n'


@pytest.fixture(autouse=True)
def own_push_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow a push service on this machine."""

    async def check(endpoint: str) -> None:
        assert endpoint.startswith("http://127.0.0.1:")

    monkeypatch.setattr(push, "check_endpoint", check)
    monkeypatch.setattr(push_routes, "check_endpoint", check)


class Receiver:
    """A paired browser that takes notifications."""

    def __init__(self, client: PageClient, service: PushService, name: str) -> None:
        self.client = client
        self.service = service
        self.name = name
        self.browser = PlayedBrowser()

    async def turn_on(self) -> None:
        body = self.browser.subscription(self.service.endpoint(self.name))
        assert await self.client.call("PUT", "/api/push", body) == (200, {})

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What was shown, oldest first."""
        return [self.browser.read(each.body) for each in self.service.taken if each.receiver == self.name]

    async def shows(self, text: str) -> dict[str, Any]:
        await until_async(lambda: any(text in str(each) for each in self.shown), f"{text!r}; there is {self.shown}")
        return self.shown[-1]

    async def press(self, code: str) -> tuple[int, Any]:
        return await self.client.call("POST", "/api/push/press", {"code": code})


@pytest.fixture
def with_browser(tmp_path: Path, at_work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a context manager that runs an app and a push service, and pairs a browser that takes notifications."""
    (tmp_path / "settings.toml").write_text(NOW)

    @asynccontextmanager
    async def work(scope: Scope = Scope.ANSWER) -> AsyncIterator[tuple[RunningApp, FakePlugin, Receiver]]:
        async with (
            running_push_service() as service,
            at_work() as (running, link),
            aiohttp.ClientSession() as session,
        ):
            receiver = Receiver(await PageClient.pair(session, running, "Phone", scope), service, "phone")
            await receiver.turn_on()
            yield running, link, receiver

    return work


async def confirm(link: FakePlugin, reply: str) -> dict[str, Any]:
    """Take the answer as OpenCode does, and return the call."""
    while (call := await link.receive())["method"] != "permission.reply":
        pass
    await link.send({"id": call["id"], "result": {}})
    await link.event("permission.replied", sessionID=SES, requestID="per_1", reply=reply)
    params: dict[str, Any] = call["params"]
    return params


def test_a_request_is_shown_and_answered_by_a_button_and_then_says_so(with_browser: Callable[..., Any]) -> None:
    async def test() -> None:
        async with with_browser() as (running, link, phone):
            await link.event("permission.asked", **ASK)
            asked = await phone.shows("bash: ls")
            assert (asked["session"], asked["waits"], asked["silent"]) == (SES, True, False)
            codes = dict(asked["actions"])
            assert [*codes] == ["Allow once", "Reject"]
            headers = phone.service.taken[-1].headers
            assert (headers["Urgency"], headers["Topic"]) == ("high", asked["tag"])
            pressing = asyncio.create_task(phone.press(codes["Allow once"]))
            assert (await confirm(link, "once"))["reply"] == "once"
            assert (await pressing)[0] == 200
            ended = await phone.shows("Allowed once by Phone")
            assert (ended["tag"], ended["waits"], ended["silent"], ended["actions"]) == (asked["tag"], False, True, [])
            assert await phone.press(codes["Allow once"]) == (200, {"message": "No longer waiting"})  # pressed again
            entry = audit.newest(running.paths.audit, 1)[0]
            assert (entry["surface"], entry["device"].startswith("Phone (")) == ("page", True)
            assert entry["device"].endswith(" at 127.0.0.1")

    run(test())


def test_an_answer_elsewhere_replaces_the_notification_without_a_sound(with_browser: Callable[..., Any]) -> None:
    async def test() -> None:
        async with with_browser() as (_, link, phone):
            await link.event("permission.asked", **ASK)
            await phone.shows("bash: ls")
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="reject")
            assert (await phone.shows("Rejected elsewhere"))["silent"]
            assert phone.service.taken[-1].headers["Urgency"] == "low"

    run(test())


def test_a_browser_that_may_only_watch_gets_no_buttons_and_cannot_answer(with_browser: Callable[..., Any]) -> None:
    async def test() -> None:
        async with with_browser(Scope.WATCH) as (_, link, phone):
            await link.event("permission.asked", **ASK)
            assert (await phone.shows("bash: ls"))["actions"] == []
            assert (await phone.press("o" + "0" * 32))[0] == 403

    run(test())


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_takes_no_more_notifications_is_forgotten(with_browser: Callable[..., Any], status: int) -> None:
    async def test() -> None:
        async with with_browser() as (running, link, phone):
            phone.service.faults = [status]
            await link.event("permission.asked", **ASK)
            await until_async(lambda: running.app.channels.overview() == (), "the end of its channel")
            await until_async(lambda: "push/phone" not in running.paths.devices.read_text(), "the new file")
            assert "takes no" not in str(running.views[-1])
            await phone.turn_on()
            await phone.shows("bash: ls")

    run(test())


@pytest.mark.parametrize("status", [429, 500])
def test_a_push_service_that_fails_for_now_is_called_again(with_browser: Callable[..., Any], status: int) -> None:
    async def test() -> None:
        async with with_browser() as (_, link, phone):
            phone.service.faults = [status]
            await link.event("permission.asked", **ASK)
            await phone.shows("bash: ls")

    run(test())


def test_a_revoked_browser_and_one_that_turned_them_off_get_nothing(with_browser: Callable[..., Any]) -> None:
    async def test() -> None:
        async with with_browser() as (running, link, phone):
            assert await phone.client.call("DELETE", "/api/push") == (200, {})
            await until_async(lambda: running.app.channels.overview() == (), "the end of its channel")
            await phone.turn_on()
            await until_async(lambda: len(running.app.channels.overview()) == 1, "its channel")
            (_, device) = await phone.client.call("GET", "/api/me")
            assert device["has_push"] is True
            assert (await running.choose(RevokeDevice(device["id"]))).ok
            await until_async(lambda: running.app.channels.overview() == (), "the end of its channel")
            await link.event("permission.asked", **ASK)
            await until_async(lambda: running.notifications.shown, "the notification at the desk")
            assert (phone.shown, (await phone.press("o" + "0" * 32))[0]) == ([], 401)

    run(test())


def test_a_browser_that_is_paired_again_shows_each_alert_once(with_browser: Callable[..., Any]) -> None:
    async def test() -> None:
        async with with_browser(Scope.WATCH) as (running, link, phone):
            again = Receiver(
                await PageClient.pair(phone.client.session, running, "Phone", Scope.ANSWER), phone.service, "phone"
            )
            again.browser = phone.browser
            await again.turn_on()
            await until_async(lambda: len(running.app.channels.overview()) == 1, "the end of the older channel")
            await link.event("permission.asked", **ASK)
            assert len((await again.shows("bash: ls"))["actions"]) == 2
            await link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await again.shows("Allowed once")
            assert len(again.shown) == 2

    run(test())


def test_a_press_after_a_restart_of_the_tray_counts_once(tmp_path: Path, at_work: Callable[..., Any]) -> None:
    (tmp_path / "settings.toml").write_text(NOW)

    async def test() -> None:
        async with running_push_service() as service, aiohttp.ClientSession() as session:
            async with at_work() as (running, link):
                phone = Receiver(await PageClient.pair(session, running, "Phone", Scope.ANSWER), service, "phone")
                await phone.turn_on()
                await link.event("permission.asked", **ASK)
                code = dict((await phone.shows("bash: ls"))["actions"])["Allow once"]
                kept = running.paths.channels
                await until_async(lambda: kept.exists() and code in kept.read_text(), "what is live")
            async with at_work(snapshot={**SNAPSHOT, "permissions": [ASK]}) as (running, link):
                phone.client.address = (await new_address(running)).partition("/#")[0]
                await phone.client.log_in(phone.client.device)
                pressing = [asyncio.create_task(phone.press(code)) for _ in range(2)]
                assert (await confirm(link, "once"))["reply"] == "once"
                assert [status for status, _ in await asyncio.gather(*pressing)] == [200, 200]
                await phone.shows("Allowed once by Phone")
                assert len([each for each in phone.shown if each["waits"]]) == 1

    run(test())


def test_the_test_of_a_browser_reaches_it_and_its_channel_has_its_name(with_browser: Callable[..., Any]) -> None:
    async def test() -> None:
        async with with_browser() as (running, _, phone):
            await until_async(running.app.channels.overview, "its channel")
            (state,) = running.app.channels.overview()
            assert (state.kind, state.name.startswith("Phone (")) == ("push", True)
            status, answer = await phone.client.call("POST", "/api/push/test", {})
            assert (status, answer["message"]) == (200, f"Sent a test message with {state.name}")
            assert (await phone.shows("Test of OpenCode Tray"))["waits"] is False

    run(test())


@pytest.mark.parametrize(
    "body",
    [
        {"endpoint": "http://127.0.0.1:1/x"},
        {"endpoint": "http://127.0.0.1:1/x", "keys": {"p256dh": "", "auth": ""}},
        {"endpoint": "http://127.0.0.1:1/x", "keys": {"p256dh": "AAAA", "auth": "AAAA"}},
        {"endpoint": 7, "keys": {}},
    ],
)
def test_a_subscription_that_is_not_valid_is_refused(with_browser: Callable[..., Any], body: dict[str, Any]) -> None:
    async def test() -> None:
        async with with_browser() as (_, __, phone):
            assert (await phone.client.call("PUT", "/api/push", body))[0] == 400

    run(test())
