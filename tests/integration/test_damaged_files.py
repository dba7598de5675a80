"""Files that were cut, zeroed, overwritten or written by a newer version: the tray runs, says so, and keeps them."""

from __future__ import annotations

import random
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fakes import TOKEN, connection
from replay import played
from running_app import SNAPSHOT, RunningApp
from tray.actions.agent_hooks import AgentHooks, apply
from tray.actions.install import InstallError, install_plugin
from tray.agents.agent import Agent
from tray.agents.catalog import AGENTS
from tray.app.lan_certificate import LanCertificate
from tray.core.devices import Device, Scope
from tray.core.remotes import Remote
from tray.files.writing import write_privately
from tray.storage.cache import encode_cache, write_cache
from tray.storage.channel_store import ChannelRecord, encode_channels
from tray.storage.devices import StoredDevices, write_devices
from tray.storage.history.database import open_history
from tray.storage.remotes import write_remotes
from tray.storage.servers import StartedServer, write_server
from tray.storage.tailnet_entry import TailnetEntry, write_entry
from tray.storage.team_identity import begin
from tray.storage.token import Token, TokenError
from tray.surfaces.menu.items import walk
from tray.system.paths import Paths
from tray_process import Home
from waiting import run, until_async

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no hooks, and the team library does not run there")

SETTINGS = """
[[channels]]
kind = "ntfy"
topic = "nowhere"
server = "http://127.0.0.1:1"
[team]
broker = "mqtt://127.0.0.1:1"
key = "0000000000000000000000000000000000000000000000000000000000000000"
"""

# What the user reads about each file, whatever its damage.
SAID = {
    "cache.json": "sessions are shown once their agents connect",
    "channels.json": "have to be paired again",
    "devices.json": "all devices have to pair again",
    "remotes.json": "add the machines again",
    "history.db": "the history",
    "tailnet.json": "may still be in your tailnet",
    "team-identity.json": "restore it, or remove it",
}


SERVER = StartedServer(
    name="4096", url="http://127.0.0.1:4096", directory="/", pid=1, started=1.0, log="/x", password="x"
)


def write_all(paths: Paths) -> None:
    """Write what a tray that was used for a while has stored."""
    write_cache(paths.cache, encode_cache(played("1.18.33", "07_two_permissions_parallel").fleet))
    write_privately(paths.channels, encode_channels({"ntfy": ChannelRecord("ntfy", {"last": "7"})}))
    device = Device("d1", "Phone", Scope.ACT, "0" * 64, 1, 1)
    write_devices(paths.devices, TOKEN, StoredDevices((device,), "key"))
    write_remotes(paths.remotes, [Remote("key", "far")])
    open_history(paths.history)[0].close()
    write_entry(paths.tailnet_entry, TailnetEntry("desk.tail.ts.net", 1))
    begin(paths.team, 1)
    write_server(paths.servers, SERVER)
    write_privately(paths.audit, '{"result":"answered"}\n')


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2 + 1]


def zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def replaced(content: bytes) -> bytes:
    return random.Random(15).randbytes(len(content))  # noqa: S311  # always the same


def newer(_content: bytes) -> bytes:
    return b'{"version": 99, "content": {"sessions": []}}'


DAMAGES = [cut, zeroed, replaced, newer]


def damage(path: Path, how: Callable[[bytes], bytes]) -> bytes:
    if path.suffix == ".db" and how is newer:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 99")
    else:
        path.write_bytes(how(path.read_bytes()))
    return path.read_bytes()


def kept(path: Path, content: bytes) -> bool:
    """Whether a file, or one that it was renamed to, still begins with this content."""
    return any(file.read_bytes().startswith(content) for file in path.parent.glob(f"{path.name}*"))


def problems(running: RunningApp) -> str:
    return "\n".join(item.key for item in walk(running.app.view().menu) if item.key.startswith("problem:"))


@pytest.mark.parametrize("how", DAMAGES)
def test_with_every_file_damaged_the_tray_runs_says_so_and_keeps_them(
    how: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    paths = Paths.inside(tmp_path)
    write_all(paths)
    paths.settings.write_text(SETTINGS, encoding="utf-8")
    running = RunningApp(tmp_path)
    files = {path.name: path for path in paths if path.name in SAID} | {
        path.name: path for path in (paths.servers / "4096.json", paths.audit)
    }
    damaged = {name: damage(path, how) for name, path in files.items()}

    async def test() -> None:
        async with running, connection(f"http://127.0.0.1:{running.app.port}/") as link:
            await link.authenticate()
            await link.send(SNAPSHOT)
            await until_async(lambda: running.app.status()["sessions"], "the sessions")
            await until_async(lambda: all(text in problems(running) for text in SAID.values()), "the messages", 5)

    run(test())
    write_remotes(paths.remotes, [])  # later, the user adds a machine, pairs a device and starts a server
    write_devices(paths.devices, TOKEN, StoredDevices())
    write_server(paths.servers, SERVER)
    assert [name for name, content in damaged.items() if not kept(files[name], content)] == []


@pytest.mark.parametrize("how", [cut, zeroed, replaced])
@pytest.mark.parametrize(("name", "code"), [("token", 1), ("settings.toml", 2)])
def test_a_damaged_token_or_settings_file_stops_the_start_with_advice_and_stays(
    name: str, code: int, how: Callable[[bytes], bytes], home: Home
) -> None:
    path = home.settings if name == "settings.toml" else home.path / "data/opencode-tray/token"
    write_privately(path, f"{'0' * 16}\n" if name == "token" else SETTINGS)
    damaged = damage(path, how)
    done = home.run("run", "--headless", "--port", str(home.port))
    assert (done.returncode, str(path) in done.stderr) == (code, True), done.stderr
    assert "remove it" in done.stderr if name == "token" else "Traceback" not in done.stderr
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("how", [cut, zeroed, replaced])
def test_a_running_tray_keeps_its_token_and_says_that_the_file_is_damaged(
    how: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "token"
    token = Token.of({}, path)
    known = token()
    damage(path, lambda content: how(content[:20]))
    with pytest.raises(TokenError, match="remove it"):
        token.reread()
    assert token() == known
    path.unlink()
    assert not token.reread()
    assert path.read_text(encoding="utf-8").strip() == known


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    "agent", [agent for agent in AGENTS.values() if agent.hooks], ids=lambda agent: agent.kind.value
)
def test_damaged_settings_of_an_agent_are_left_as_they_are(
    agent: Agent, how: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    assert agent.hooks is not None
    path = agent.folder({}, tmp_path) / agent.hooks.name
    path.parent.mkdir(parents=True)
    path.write_text('{"model": "opus", "hooks": {"Stop": []}}', encoding="utf-8")
    damaged = damage(path, how)
    hooks = AgentHooks({}, tmp_path, tmp_path / "socket")
    if how is newer:  # valid JSON, with keys that nothing here knows
        apply(hooks.installation(agent))
        assert damaged.decode().strip("{}") in path.read_text(encoding="utf-8")
        return
    with pytest.raises(InstallError, match=re.escape(str(path))):
        apply(hooks.installation(agent))
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("how", [zeroed, replaced, newer])
def test_a_damaged_plugin_is_not_overwritten_without_the_user(how: Callable[[bytes], bytes], tmp_path: Path) -> None:
    plugin = tmp_path / "plugin/opencode-tray.js"
    install_plugin(plugin)
    damaged = damage(plugin, how)
    with pytest.raises(InstallError, match="move it away"):
        install_plugin(plugin)
    assert plugin.read_bytes() == damaged


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", ["authority.crt", "authority.key", "server.crt", "server.key"])
def test_a_damaged_certificate_is_made_again(name: str, how: Callable[[bytes], bytes], tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    LanCertificate(tmp_path, "192.0.2.1", "desk.local").load()
    damage(tmp_path / name, how)
    again = LanCertificate(tmp_path, "192.0.2.1", "desk.local")
    again.load()
    assert again.authority
