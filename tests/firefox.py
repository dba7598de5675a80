"""A real Firefox, driven by WebDriver BiDi: JSON over a WebSocket, without a driver program."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tray_process import free_port
from waiting import until_async

FIREFOX = Path("/usr/bin/firefox-esr")
START_TIMEOUT = 60.0  # s


class Firefox:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._calls = 0
        self._tab = ""
        self.errors: list[str] = []  # what scripts of the page have complained about

    async def call(self, method: str, **params: Any) -> Any:
        """Return the result of a command. Raises AssertionError with its error."""
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=START_TIMEOUT)
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                self.errors.append(answer["params"]["text"])
            if answer.get("id") == self._calls:
                assert answer["type"] == "success", answer
                return answer["result"]

    async def open(self, address: str) -> None:
        """Open an address, and wait until it is loaded."""
        await self.call("session.new", capabilities={})
        await self.call("session.subscribe", events=["log.entryAdded"])
        self._tab = (await self.call("browsingContext.getTree"))["contexts"][0]["context"]
        await self.call("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression that can be written as JSON."""
        result = await self.call(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value) ?? 'null')",
            target={"context": self._tab}, awaitPromise=True,
        )  # fmt: skip
        assert result["type"] == "success", result
        return json.loads(result["result"]["value"])

    async def shows(self, selector: str, text: str = "") -> None:
        """Wait until the page has an element that contains a text."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        condition = f"{found}.some((each) => (each.textContent ?? '').includes({json.dumps(text)}))"
        await until_async(lambda: self.evaluate(condition), f"{selector} with {text!r}")

    async def click(self, text: str) -> None:
        """Press the button that contains a text."""
        found = (
            f"[...document.querySelectorAll('button')].find((each) => each.textContent.includes({json.dumps(text)}))"
        )
        await self.evaluate(f"{found}.click()")

    async def reload(self) -> None:
        """Load the page again."""
        await self.call("browsingContext.reload", context=self._tab, wait="complete")

    async def press(self, key: str) -> None:
        """Press a key."""
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        await self.call("input.performActions", context=self._tab, actions=[source])


@asynccontextmanager
async def run_firefox(
    program: Path, profile: Path, environment: Mapping[str, str] | None = None, push_port: int = 0
) -> AsyncIterator[Firefox]:
    """Start the browser with an empty profile, and yield it. With an environment it has a window on that desktop.

    `push_port` is that of a `PushService`; pages may then show notifications.
    """
    if push_port:
        preferences = {
            "dom.push.serverURL": f"ws://127.0.0.1:{push_port}/",
            "dom.push.testing.allowInsecureServerURL": True,
            "dom.push.connection.enabled": True,  # else not with remote debugging
            "permissions.default.desktop-notification": 1,
        }
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items())
        (profile / "user.js").write_text("\n".join(lines))
    command = [
        str(program),
        *(() if environment else ("--headless",)),
        "--no-remote",
        "--profile",
        str(profile),
        "--remote-debugging-port",
        str(free_port()),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, "about:blank", env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_TIMEOUT):
            found = None
            while found is None:
                line = await process.stderr.readline()
                assert line, "Firefox has ended"
                found = re.search(rb"BiDi listening on (ws://\S+)", line)
        reading = asyncio.create_task(process.stderr.read())  # else the pipe would fill up
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{found[1].decode()}/session") as socket:
            firefox = Firefox(socket)
            yield firefox
            with suppress(TypeError, AssertionError):
                await firefox.call("browser.close")
        reading.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
