"""The quiet look for a newer version: only if it is turned on, once a day, and only at the package index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tray import __version__
from tray.app.update_check import INTERVAL, UpdateCheck, is_newer
from tray.core.settings import CHECK_UPDATES, SETTINGS, Settings
from tray.system.tasks import TaskSet
from waiting import run
from web_server import serving


class Index:
    """A package index, and a tray that may ask it."""

    def __init__(self) -> None:
        self.answer: Any = {"info": {"version": "999.0"}}
        self.asked = 0
        self.newer: list[str] = []
        self.now = 1000.0  # s
        self.settings = Settings({CHECK_UPDATES.key: True}, {})
        self.tasks = TaskSet()
        self.url = ""

    async def answer_request(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert "cookie" not in request.headers
        assert request.headers["user-agent"] == "opencode-tray"
        if isinstance(self.answer, bytes):
            return web.Response(body=self.answer)
        return web.json_response(self.answer)

    def check(self) -> UpdateCheck:
        return UpdateCheck(lambda: self.settings, self.tasks, self.newer.append, lambda: self.now, self.url)

    async def ask(self, check: UpdateCheck) -> str:
        """Let the check ask if it wants to, and return its result."""
        check.check_if_due()
        await self.tasks.wait(10)
        return self.newer[-1] if self.newer else ""


@asynccontextmanager
async def index() -> AsyncIterator[Index]:
    made = Index()
    app = web.Application()
    app.router.add_get("/json", made.answer_request)
    async with serving(app) as port:
        made.url = f"http://127.0.0.1:{port}/json"
        yield made


def test_it_is_off_by_default() -> None:
    assert CHECK_UPDATES in SETTINGS
    assert CHECK_UPDATES.default is False

    async def test() -> None:
        async with index() as at:
            at.settings = Settings({}, {})
            assert await at.ask(at.check()) == ""
            assert at.asked == 0

    run(test())


def test_a_newer_version_is_reported_once_and_asked_for_once_a_day() -> None:
    async def test() -> None:
        async with index() as at:
            check = at.check()
            assert await at.ask(check) == "999.0"
            assert await at.ask(check) == "999.0"
            assert at.asked == 1
            at.now += INTERVAL
            assert await at.ask(check) == "999.0"
            assert (at.asked, at.newer) == (2, ["999.0"])
            at.settings = Settings({}, {})
            assert await at.ask(check) == ""
            assert (at.asked, at.newer) == (2, ["999.0", ""])

    run(test())


@pytest.mark.parametrize(
    "answer",
    [
        {"info": {"version": __version__}},
        {"info": {"version": "999.0rc1"}},
        {"info": {"version": None}},
        {"info": []},
        [],
        b"<html>",
        b"{" * 1_000_000,
    ],
)
def test_another_answer_means_that_nothing_newer_is_known(answer: Any) -> None:
    async def test() -> None:
        async with index() as at:
            at.answer = answer
            assert await at.ask(at.check()) == ""
            assert at.asked == 1

    run(test())


def test_an_index_that_cannot_be_reached_is_asked_again_a_day_later() -> None:
    async def test() -> None:
        async with index() as at:
            reachable, at.url = at.url, "http://127.0.0.1:9/json"
            check = at.check()
            assert await at.ask(check) == ""
            at.now += INTERVAL
            check._index = reachable  # noqa: SLF001  # the network is back
            assert await at.ask(check) == "999.0"

    run(test())


@pytest.mark.parametrize(
    ("version", "than", "newer"),
    [
        ("1.0.1", "1.0", True),
        ("1.10", "1.9", True),
        ("2", "1.99.99", True),
        ("1.0.0", "1.0", False),
        ("1.0", "1.0.1", False),
        ("1.0", "1.0.dev1", False),
        ("1.1rc1", "1.0", False),
        ("", "1.0", False),
        ("latest", "1.0", False),
        ("9" * 5_000, "1.0", False),  # Python converts no text of this length to a number
        ("٢", "1.0", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, than: str, newer: bool) -> None:
    assert is_newer(version, than) is newer
