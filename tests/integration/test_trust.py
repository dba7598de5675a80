"""Who gets nothing: no token, somebody else's, a replayed handshake, a web page, another user; and rotation."""

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

from fakes import FRAMES, TOKEN, connection, until
from running_app import SES, SNAPSHOT, run
from tray.core.handshake import Side, proof
from tray.sources.plugin.connection import Close
from tray_process import Home
from tray_process import until as wait_until

AtWork = Callable[[], Any]
HELLO = {**FRAMES["hello"], "instance": "stranger"}


async def greet(link: Any, side: Side, token: str) -> Any:
    """Hello, and a proof by this token; what comes then."""
    await link.send(HELLO)
    challenge = await link.receive()
    nonces = (HELLO["instance"], HELLO["nonce"], challenge["nonce"])
    await link.send({"type": "auth", "proof": proof(side, token, *nonces)})
    return await link.receive()


@pytest.mark.parametrize("path", ["", "client"])
@pytest.mark.parametrize("token", ["", "a guess", TOKEN[:-1]])
def test_without_the_token_there_is_nothing(at_work: AtWork, path: str, token: str) -> None:
    async def test() -> None:
        async with at_work() as (running, _), connection(f"http://127.0.0.1:{running.app.port}/{path}") as stranger:
            assert await greet(stranger, Side.CLIENT if path else Side.PLUGIN, token) is None
            assert stranger.socket.close_code == Close.UNAUTHORIZED

    run(test())


def test_a_handshake_that_was_overheard_opens_nothing_again(at_work: AtWork) -> None:
    """Whatever was said on the wire, said again: the tray's nonce is another one each time."""

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
                assert await replay.closed_with() == Close.UNAUTHORIZED
            async with connection(url) as mirror:  # the tray's own proof, sent back, is a proof of another side
                await mirror.send(HELLO)
                told = await mirror.receive()
                await mirror.send({"type": "auth", "proof": told["proof"]})
                assert await mirror.closed_with() == Close.UNAUTHORIZED

    run(test())


def test_a_plugins_proof_does_not_make_a_command(at_work: AtWork) -> None:
    async def test() -> None:
        async with at_work() as (running, _), connection(f"http://127.0.0.1:{running.app.port}/client") as stranger:
            assert await greet(stranger, Side.PLUGIN, TOKEN) is None

    run(test())


@pytest.mark.parametrize("path", ["", "client"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Host": "evil.example:41235"}, 421)],
)
def test_a_web_page_gets_nothing(at_work: AtWork, path: str, headers: dict[str, str], status: int) -> None:
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


def test_rotation_closes_everybody_and_lets_in_who_knows_the_new_token(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.tray("--no-notify")
    old = home.token

    async def watching() -> int | None:
        """A plugin that came with the old token; how it is closed."""
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
        assert asyncio.run(watching()) == Close.UNAUTHORIZED
        assert home.token != old
        assert home.run("status", "--port", str(home.port), OPENCODE_MONITOR_TOKEN=old).returncode == 1
        assert home.run("token", "show").stdout.strip() == home.token

        async def back() -> None:
            async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
                await plugin.authenticate(home.token)
                await plugin.send({**SNAPSHOT, "sessions": [{"id": SES, "title": "After"}]})
                await until(lambda: home.session(SES).get("title") == "After")

        asyncio.run(back())
        log = (home.path / "state/opencode-tray/log/tray.log").read_text(encoding="utf-8")
        assert old not in log
        assert home.token not in log
    finally:
        home.stop()


def test_a_token_that_was_rotated_without_the_tray_counts_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tray.storage.token import Token  # noqa: PLC0415

    token = Token.of({}, tmp_path / "token")
    before = token()
    assert not token.reread()
    other = Token.of({}, tmp_path / "token")
    other.rotate()
    assert token.reread()
    assert token() == other() != before
    (tmp_path / "token").write_text("")
    assert not token.reread()
    assert token() == other()


def test_the_token_of_the_environment_is_not_the_trays_to_change(tmp_path: Path) -> None:
    home = Home(tmp_path)
    done = home.run("token", "rotate", OPENCODE_MONITOR_TOKEN="given")
    assert done.returncode == 1
    assert "OPENCODE_MONITOR_TOKEN" in done.stderr


NOBODY = 65534
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
def test_another_user_of_this_machine_gets_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.tray("--no-notify")
    tmp_path.chmod(0o755)
    try:
        private = [home.path / "data/opencode-tray" / name for name in ("token", "cache.json", "audit.jsonl")]
        wait_until(private[0].exists)
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
        assert (kind, code) == ("CLOSE", Close.UNAUTHORIZED)
    finally:
        home.stop()
