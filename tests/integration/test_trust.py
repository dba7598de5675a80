"""Connections without the right token are refused: a wrong proof, a replay, a web page, another user; and rotation."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakes import FRAMES, TOKEN, connection
from running_app import SES, SNAPSHOT
from tray.core.handshake import Side, proof
from tray.sources.plugin.close_codes import CloseCode
from tray_process import Home
from waiting import run, until, until_async

AtWork = Callable[[], Any]
HELLO = {**FRAMES["hello"], "instance": "stranger"}


async def greet(link: Any, side: Side, token: str) -> Any:
    """Send hello and a proof made with this token; return the next frame."""
    await link.send(HELLO)
    challenge = await link.receive()
    nonces = (HELLO["instance"], HELLO["nonce"], challenge["nonce"])
    await link.send({"type": "auth", "proof": proof(side, token, *nonces)})
    return await link.receive()


@pytest.mark.parametrize("path", ["", "client"])
@pytest.mark.parametrize("token", ["", "a guess", TOKEN[:-1]])
def test_a_handshake_without_the_token_is_refused(at_work: AtWork, path: str, token: str) -> None:
    async def test() -> None:
        async with at_work() as (running, _), connection(f"http://127.0.0.1:{running.app.port}/{path}") as stranger:
            assert await greet(stranger, Side.CLIENT if path else Side.PLUGIN, token) is None
            assert stranger.socket.close_code == CloseCode.UNAUTHORIZED

    run(test())


def test_an_overheard_handshake_cannot_be_replayed(at_work: AtWork) -> None:
    """The tray's nonce is a new one each time."""

    async def test() -> None:
        async with at_work() as (running, _):
            url = f"http://127.0.0.1:{running.app.port}/client"
            async with connection(url) as honest:
                await honest.send(HELLO)
                challenge = await honest.receive()
                overheard = proof(Side.CLIENT, TOKEN, HELLO["instance"], HELLO["nonce"], challenge["nonce"])
                await honest.send({"type": "auth", "proof": overheard})
                assert (await honest.receive())["type"] == "welcome"
            async with connection(url) as replay:
                await replay.send(HELLO)
                assert (await replay.receive())["nonce"] != challenge["nonce"]
                await replay.send({"type": "auth", "proof": overheard})
                assert await replay.closed_with() == CloseCode.UNAUTHORIZED
            async with connection(url) as mirror:  # the tray's own proof, sent back, has the label of the tray
                await mirror.send(HELLO)
                challenge = await mirror.receive()
                await mirror.send({"type": "auth", "proof": challenge["proof"]})
                assert await mirror.closed_with() == CloseCode.UNAUTHORIZED

    run(test())


def test_the_proof_of_a_plugin_is_not_accepted_from_a_command(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, _), connection(f"http://127.0.0.1:{running.app.port}/client") as stranger:
            assert await greet(stranger, Side.PLUGIN, TOKEN) is None

    run(test())


@pytest.mark.parametrize("path", ["", "client"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Host": "evil.example:41235"}, 421)],
)
def test_requests_of_web_pages_are_refused(at_work: AtWork, path: str, headers: dict[str, str], status: int) -> None:
    async def test() -> None:
        async with at_work() as (running, _), aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{running.app.port}/{path}"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, headers=headers)
            assert refused.value.status == status
            async with session.get(url, headers=headers) as answer:
                assert answer.status == status
                assert "Work" not in await answer.text()

    run(test())


@pytest.mark.fault
def test_rotation_closes_all_connections_and_accepts_the_new_token(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.tray("--no-notify")
    old = home.token

    async def watching() -> int | None:
        """Connect a plugin with the old token; return the code with which it is closed."""
        async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
            await plugin.authenticate(old)
            await plugin.send({**SNAPSHOT, "sessions": [{"id": SES, "title": "Before"}]})
            rotating = asyncio.create_task(asyncio.to_thread(home.run, "token", "rotate", "--port", str(home.port)))
            code = await plugin.closed_with()
            done = await rotating
            assert done.returncode == 0, done.stderr
            assert old not in done.stdout
            assert home.token not in done.stdout
            return code

    try:
        assert asyncio.run(watching()) == CloseCode.UNAUTHORIZED
        assert home.token != old
        assert home.run("status", "--port", str(home.port), OPENCODE_MONITOR_TOKEN=old).returncode == 1
        assert home.run("token", "show").stdout.strip() == home.token

        async def back() -> None:
            async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
                await plugin.authenticate(home.token)
                await plugin.send({**SNAPSHOT, "sessions": [{"id": SES, "title": "After"}]})
                await until_async(lambda: home.session(SES).get("title") == "After")

        asyncio.run(back())
        log = home.log.read_text(encoding="utf-8")
        assert old not in log
        assert home.token not in log
    finally:
        home.stop()


def test_a_token_that_another_process_rotated_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tray.storage.token import Token  # noqa: PLC0415

    token = Token.of({}, tmp_path / "token")
    before = token()
    assert not token.reread()
    other = Token.of({}, tmp_path / "token")
    other.rotate()
    assert token.reread()
    assert token() == other() != before


def test_a_token_from_the_environment_cannot_be_rotated(tmp_path: Path) -> None:
    home = Home(tmp_path)
    done = home.run("token", "rotate", OPENCODE_MONITOR_TOKEN="given")
    assert done.returncode == 1
    assert "OPENCODE_MONITOR_TOKEN" in done.stderr


INTRUDER = """
import asyncio, json, os, sys
sys.path[:0] = json.loads(sys.argv[3])
import aiohttp
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = {}
for name in json.loads(sys.argv[2]):
    try:
        open(name).read(); found[name] = "read"
    except OSError as error:
        found[name] = type(error).__name__
async def knock():
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(sys.argv[1]) as ws:
            await ws.send_json({"type": "hello", "protocol": 2, "instance": "x", "nonce": "0" * 64, "serverId": "a-1"})
            await ws.receive_json()
            await ws.send_json({"type": "auth", "proof": "0" * 64})
            return (await ws.receive()).type.name, ws.close_code
print(json.dumps([found, asyncio.run(knock())]))
"""


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root can become another user")
def test_another_user_of_this_machine_has_no_access(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.tray("--no-notify")
    tmp_path.chmod(0o755)
    try:
        private = [home.path / "data/opencode-tray" / name for name in ("token", "cache.json", "audit.jsonl")]
        until(private[0].exists)
        for path in private[1:]:
            path.touch(mode=0o600, exist_ok=True)
        arguments = [f"http://127.0.0.1:{home.port}/client", json.dumps([str(path) for path in private])]
        done = subprocess.run(
            [sys.executable, "-c", INTRUDER, *arguments, json.dumps(sys.path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        found, (kind, code) = json.loads(done.stdout)
        assert set(found.values()) == {"PermissionError"}
        assert (kind, code) == ("CLOSE", CloseCode.UNAUTHORIZED)
    finally:
        home.stop()
