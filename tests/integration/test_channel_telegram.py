"""Alerts in Telegram: sent, answered there and elsewhere, and right after faults of the service and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fake_services import FULL, channel_tables
from fake_telegram import OWNER, STRANGER, TOKEN, FakeTelegram, running_telegram
from fakes import FakePlugin
from running_app import ASK, SES, SNAPSHOT, RunningApp
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Mute, MuteSpan, Surface, Unmute
from tray.core.session_index import EVERYTHING
from tray.storage import audit
from waiting import run, until_async

QUESTION = {
    "id": "que_1",
    "sessionID": SES,
    "questions": [
        {
            "question": "Which colour?",
            "header": "Colour",
            "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
        }
    ],
}

SECOND = {**ASK, "id": "per_2", "metadata": {"command": "pwd"}}


class Phone(NamedTuple):
    """A running app, its plugin, and the owner's Telegram."""

    app: RunningApp
    link: FakePlugin
    telegram: FakeTelegram

    async def message(self, text: str) -> int:
        """Wait for a message that contains a text, and return its ID."""

        def found() -> list[int]:
            return [number for number, message in self.telegram.messages.items() if text in message["text"]]

        await until_async(
            found, f"{text!r} in Telegram; there is {[m['text'] for m in self.telegram.messages.values()]}"
        )
        return found()[-1]

    async def shows(self, number: int, text: str) -> None:
        await until_async(
            lambda: text in self.telegram.messages[number]["text"],
            f"{text!r}; it is {self.telegram.messages[number]['text']!r}",
        )

    async def confirm(self, request: str = "per_1", reply: str = "once") -> dict[str, Any]:
        """Take the answer as OpenCode does, and return the call."""
        while (call := await self.link.receive())["method"] in ("snapshot", "wishes"):
            pass
        await self.link.send({"id": call["id"], "result": {}})
        if call["method"] == "permission.reply":
            await self.link.event("permission.replied", sessionID=SES, requestID=request, reply=reply)
        else:
            await self.link.event("question.replied", sessionID=SES, requestID=request)
        return call


@pytest.fixture
def phone(tmp_path: Path, at_work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a context manager that runs an app with a bot that is paired, unless `chat` is 0."""

    @asynccontextmanager
    async def work(
        telegram: FakeTelegram, chat: int = OWNER["id"], pending: Sequence[Any] = (), **fields: Any
    ) -> AsyncIterator[Phone]:
        table = {"kind": "telegram", "token": TOKEN, "server": telegram.address, **FULL, **fields}
        table |= {"chat": str(chat)} if chat else {}
        (tmp_path / "settings.toml").write_text(channel_tables(table))
        async with at_work(snapshot={**SNAPSHOT, "permissions": list(pending)}) as (running, link):
            yield Phone(running, link, telegram)

    return work


def test_a_permission_is_allowed_with_a_button_and_the_message_says_how_it_ended(
    phone: Callable[..., Any],
) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            assert list(telegram.buttons(number)) == ["Allow once", "Reject"]
            telegram.press(number, telegram.buttons(number)["Allow once"], times=2)  # Telegram repeats updates
            call = await at.confirm()
            assert call["params"] | {"reply": "once", "requestID": "per_1"} == call["params"]
            await at.shows(number, "Allowed once by kim (telegram)")
            assert telegram.buttons(number) == {}
            await until_async(lambda: len(telegram.confirmations) == 2, "both presses are confirmed")
            assert min(telegram.confirmations).startswith("Allowed once")
            entry = audit.newest(at.app.paths.audit, 1)[0]
            assert (entry["surface"], entry["device"], entry["result"]) == ("channel", "kim (telegram)", "answered")

    run(test())


def test_an_update_whose_number_is_none_does_not_end_the_answers(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            telegram.send_nonsense()
            telegram.press(number, telegram.buttons(number)["Allow once"])
            await at.confirm()
            await at.shows(number, "Allowed once by kim (telegram)")
            await at.link.event("permission.asked", **SECOND)
            second = await at.message("bash: pwd")
            telegram.press(second, telegram.buttons(second)["Allow once"])
            await at.confirm("per_2")
            await at.shows(second, "Allowed once by kim (telegram)")
            assert telegram.calls.count("getUpdates") < 20  # the update that is never confirmed comes with each answer

    run(test())


def test_the_message_is_never_changed_by_the_press_itself(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            telegram.press(number, telegram.buttons(number)["Allow once"])
            call = await at.link.receive()
            await at.link.event("permission.replied", sessionID=SES, requestID="per_1", reply="reject")  # at the desk
            await at.link.send({"id": call["id"], "result": {}})
            await at.shows(number, "Rejected elsewhere")

    run(test())


def test_an_answer_anywhere_else_is_shown_in_the_message(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            server = at.app.app.status()["servers"][0]["id"]
            answer = AnswerRequest(RequestKey(server, "per_1"), Permit(Verdict.REJECT))
            answering = asyncio.create_task(at.app.choose(answer, Surface.MENU))
            await at.confirm(reply="reject")
            assert (await answering).ok
            await at.shows(number, "Rejected in the menu")
            await at.link.event("permission.asked", **SECOND)
            second = await at.message("bash: pwd")
            await at.link.event("permission.replied", sessionID=SES, requestID="per_2", reply="always")
            await at.shows(second, "Allowed always elsewhere")

    run(test())


def test_a_question_is_answered_with_an_option_or_with_a_reply(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("question.asked", **QUESTION)
            number = await at.message("Which colour?")
            assert "• Blue — cold" in telegram.messages[number]["text"]
            telegram.press(number, telegram.buttons(number)["Blue"])
            assert (await at.confirm("que_1"))["params"]["answers"] == [["Blue"]]
            await at.shows(number, "Answered by kim (telegram)")
            await at.link.event("question.asked", **{**QUESTION, "id": "que_2"})
            second = await at.message("Reply to this message")
            telegram.write("a dark green", reply_to=second)
            assert (await at.confirm("que_2"))["params"]["answers"] == [["a dark green"]]

    run(test())


def test_a_reply_to_a_permission_rejects_it_and_tells_the_agent_what_to_do(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            telegram.write("use git ls-files", reply_to=number)
            params = (await at.confirm(reply="reject"))["params"]
            assert (params["reply"], params["message"]) == ("reject", "use git ls-files")

    run(test())


def test_strangers_and_changed_requests_have_no_effect(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            code = telegram.buttons(number)["Allow once"]
            telegram.press(number, code, STRANGER)
            telegram.write("use something else", STRANGER, reply_to=number)
            telegram.write("/start", STRANGER)
            telegram.press(number, code[:-1] + ("0" if code[-1] != "0" else "1"))
            telegram.press(number, "o")
            telegram.press(number, "")
            await until_async(lambda: len(telegram.confirmations) == 4, "all presses are confirmed")
            assert set(telegram.confirmations) == {
                "This bot belongs to another user",
                "No longer waiting",
                "This message takes no answer",
            }
            assert telegram.confirmations.count("This bot belongs to another user") == 1
            assert at.app.waiting == 1
            assert [entry["result"] for entry in audit.newest(at.app.paths.audit, 5)] == []
            assert [m for m in telegram.messages.values() if str(m["chat_id"]) != str(OWNER["id"])] == []

    run(test())


def test_a_press_works_once_after_the_tray_was_killed(phone: Callable[..., Any], tmp_path: Path) -> None:
    async def test() -> None:
        async with running_telegram() as telegram:
            async with phone(telegram) as at:
                await at.link.event("permission.asked", **ASK)
                number = await at.message("bash: ls")
                kept = tmp_path / "channels.json"
                await until_async(lambda: kept.exists() and "per_1" in kept.read_text(), "the message is stored")
                stored = kept.read_text()
            kept.write_text(stored)  # as after kill -9
            sent = telegram.calls.count("sendMessage")
            async with phone(telegram, pending=[ASK]) as at:
                await until_async(lambda: at.app.waiting, "the request")
                telegram.press(number, telegram.buttons(number)["Allow once"], times=2)
                await at.confirm()
                await at.shows(number, "Allowed once by kim (telegram)")
                assert telegram.calls.count("sendMessage") == sent

    run(test())


def test_a_message_whose_request_was_answered_while_the_tray_was_away_is_ended(
    phone: Callable[..., Any], tmp_path: Path
) -> None:
    async def test() -> None:
        async with running_telegram() as telegram:
            async with phone(telegram) as at:
                await at.link.event("permission.asked", **ASK)
                number = await at.message("bash: ls")
            async with phone(telegram) as at:
                await at.shows(number, "No longer waiting")
                assert telegram.buttons(number) == {}

    run(test())


@pytest.mark.parametrize("fault", ["429", "cut"])
def test_a_fault_of_the_service_delays_a_message(phone: Callable[..., Any], fault: str) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            telegram.faults = [fault]
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            telegram.faults = [fault]
            await at.link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await at.shows(number, "Allowed once elsewhere")

    run(test(), 60)


def test_a_request_that_is_answered_within_the_delay_is_not_sent(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram, delay=2) as at:
            await at.link.event("permission.asked", **ASK)
            await until_async(lambda: at.app.waiting, "the request")
            await at.link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await at.link.event("permission.asked", **SECOND)
            await at.message("bash: pwd")
            assert [m["text"] for m in telegram.messages.values() if "bash: ls" in m["text"]] == []

    run(test())


def test_with_less_detail_there_are_no_buttons_and_no_command(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        for detail, expected in (("title", "Work"), ("nothing", "A session needs you")):
            async with running_telegram() as telegram, phone(telegram, detail=detail) as at:
                await at.link.event("permission.asked", **ASK)
                number = await at.message(expected)
                assert "ls" not in telegram.messages[number]["text"].split()
                assert telegram.buttons(number) == {}

    run(test())


def test_a_bot_is_paired_by_its_code_once(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram, chat=0) as at:
            channels = at.app.app.channels
            assert "channels pair telegram" in (await channels.test("telegram")).message
            code = channels.pair("telegram").result["code"]
            telegram.write("/start wrong", STRANGER)
            telegram.write(f"/start {code}")
            await at.message("Paired")
            telegram.write(f"/start {code}", STRANGER)
            result = await channels.test("telegram")
            assert (result.ok, result.message) == (True, "Sent a test message with telegram (@tray_bot)")
            assert {str(m["chat_id"]) for m in telegram.messages.values()} == {str(OWNER["id"])}

    run(test())


def test_a_service_that_refuses_is_a_problem_in_the_menu_until_it_accepts(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            telegram.faults = ["blocked"]
            await at.link.event("permission.asked", **ASK)
            await until_async(lambda: "blocked by the user" in str(at.app.views[-1]), "the problem")
            await at.link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await at.link.event("permission.asked", **SECOND)
            assert (await at.app.app.channels.test("telegram")).ok  # as after the user has corrected it
            await at.message("bash: pwd")
            await until_async(lambda: "blocked by the user" not in str(at.app.views[-1]), "the end of the problem")
            assert TOKEN not in str(at.app.views)

    run(test())


def test_an_alert_that_waits_is_sent_after_the_mute_and_after_a_corrected_token(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            assert (await at.app.choose(Mute(EVERYTHING, MuteSpan.FOREVER))).ok
            await at.link.event("permission.asked", **ASK)
            await until_async(lambda: at.app.waiting, "the request")
            await asyncio.sleep(1.5)  # longer than an alert is held
            assert telegram.messages == {}
            assert (await at.app.choose(Unmute(EVERYTHING))).ok
            await at.message("bash: ls")
            settings = at.app.settings.read_text()
            at.app.settings.write_text(settings.replace(TOKEN, "7:wrong"))
            await at.link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await at.link.event("permission.asked", **SECOND)
            await until_async(lambda: "Unauthorized" in str(at.app.views[-1]), "the problem")
            at.app.settings.write_text(settings)
            await at.message("bash: pwd")
            await until_async(lambda: "Unauthorized" not in str(at.app.views[-1]), "the end of the problem")

    run(test(), 60)


def test_each_message_says_how_its_own_request_ended_also_if_another_one_waits(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            first = await at.message("bash: ls")
            await at.link.event("permission.asked", **SECOND)
            await at.link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            second = await at.message("bash: pwd")
            await at.shows(first, "Allowed once elsewhere")
            del telegram.messages[second]  # the user has deleted it
            await at.link.event("permission.replied", sessionID=SES, requestID="per_2", reply="once")
            await at.link.event("permission.asked", **{**ASK, "id": "per_3", "metadata": {"command": "id"}})
            await at.message("bash: id")
            assert "does not take" not in str(at.app.views[-1])

    run(test(), 60)


def test_an_answer_that_is_on_its_way_survives_a_change_of_the_settings(phone: Callable[..., Any]) -> None:
    async def test() -> None:
        async with running_telegram() as telegram, phone(telegram) as at:
            await at.link.event("permission.asked", **ASK)
            number = await at.message("bash: ls")
            telegram.press(number, telegram.buttons(number)["Allow once"])
            call = await at.link.receive()
            at.app.settings.write_text(at.app.settings.read_text().replace("delay = 0", "delay = 1"))
            polls = telegram.calls.count("getUpdates")
            await until_async(lambda: telegram.calls.count("getUpdates") > polls, "the channel to start again")
            await at.link.send({"id": call["id"], "result": {}})
            await at.link.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
            await at.shows(number, "Allowed once by kim (telegram)")
            assert audit.newest(at.app.paths.audit, 1)[0]["result"] == "answered"

    run(test(), 60)
