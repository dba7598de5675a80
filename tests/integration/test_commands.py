"""The commands as a person runs them: real processes, a private home, real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fakes import connection
from tray.core.settings import DEFAULT_PORT
from tray_process import Home, free_port, until

SES = "ses_1"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.stop()


async def say_once(home: Home, *frames: Any) -> None:
    """Connect as a plugin, say these frames, and see that the tray has taken them."""
    async with connection(f"http://127.0.0.1:{home.port}/") as link:
        await link.authenticate(home.token)
        await link.send(*frames)
        await link.socket.ping()
        await link.send({"type": "goodbye"})


SNAPSHOT = {
    "type": "snapshot",
    "sessions": [{"id": SES, "title": "Work", "directory": "/home/dev/project", "time": {"created": 1, "updated": 2}}],
    "status": {SES: {"type": "busy"}},
}


def test_status_without_a_tray_says_so_and_exits_1(home: Home) -> None:
    done = home.run("status", "--port", str(home.port))
    assert done.returncode == 1
    assert "opencode-tray" in done.stderr
    assert done.stdout == ""


def test_wrong_usage_exits_2(home: Home) -> None:
    assert home.run("status", "--nonsense").returncode == 2
    assert home.run("run", "--port", "many").returncode == 2


def test_what_is_no_command_is_answered_with_the_nearest_and_with_all(home: Home) -> None:
    done = home.run("stauts")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no command 'stauts'; did you mean `status`?" in done.stderr
    done = home.run("foo", "--port", "1")
    assert done.returncode == 2
    assert all(command in done.stderr for command in ("status", "watch", "install-plugin", "doctor"))
    assert "unrecognized" in home.run("--nonsense").stderr  # an option is not taken for a command
    assert "COMMAND" in home.run("session", "--help").stdout + home.run("serve", "--help").stdout


def test_an_invalid_setting_names_file_key_value_and_what_is_allowed(home: Home) -> None:
    settings = home.path / "config/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[icon]\nstyle = "rainbow"\n', encoding="utf-8")
    for command in (("run", "--headless"), ("config",), ("status",)):
        done = home.run(*command)
        assert done.returncode == 2, command
        for word in (str(settings), "icon.style", "rainbow", "monochrome"):
            assert word in done.stderr


def test_a_wrong_port_in_the_file_is_said_though_another_is_given(home: Home) -> None:
    settings = home.path / "config/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[listener]\nport = 70000\n", encoding="utf-8")
    process = home.start("run", "--headless", "--port", str(home.port))
    assert process.stdout is not None
    said = process.stdout.readline()
    assert all(word in said for word in (str(settings), "listener.port", "70000"))
    assert "listens on" in process.stdout.readline()


def test_a_running_tray_is_asked_shown_and_stopped(home: Home) -> None:
    process = home.tray()
    report = home.status()
    assert report["attention"] == {"state": "idle", "waiting": 0, "busy": 0, "tooltip": "No sessions"}
    assert (report["servers"], report["sessions"]) == ([], [])
    assert home.run("stop", "--port", str(home.port)).returncode == 0
    assert process.wait(5) == 0


def test_a_second_start_shows_the_firsts_state_and_exits_0(home: Home) -> None:
    home.tray()
    second = home.run("run", "--headless", "--port", str(home.port))
    assert second.returncode == 0
    assert "runs already" in second.stdout
    assert "No sessions" in second.stdout


def test_a_port_taken_by_somebody_else_names_them_and_exits_3(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.port))
        taken.listen()
        done = home.run("run", "--headless", "--port", str(home.port))
    assert done.returncode == 3
    assert str(os.getpid()) in done.stderr
    assert "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_running_tray_is_found_by_every_command_wherever_it_listens(home: Home) -> None:
    home.tray()
    for command in (["status"], ["mute"], ["token", "rotate"], ["status"]):
        done = home.run(*command)
        assert (done.returncode, "No tray runs" in done.stdout) == (0, False), (command, done.stderr)
    (found,) = [f for f in json.loads(home.run("doctor", "--json").stdout) if f["check"] == "port"]
    assert (found["level"], str(home.port) in found["told"]) == ("ok", True)
    second = home.run("run", "--headless")
    assert (second.returncode, f"runs already on port {home.port}" in second.stdout) == (0, True)
    elsewhere = home.run("run", "--headless", "--port", str(free_port()))
    assert (elsewhere.returncode, "stop it first" in elsewhere.stderr) == (1, True)
    assert home.run("stop").returncode == 0


def test_where_it_listens_is_told_while_it_runs_and_not_afterwards(home: Home) -> None:
    endpoint = home.path / "data/opencode-tray/endpoint"
    process = home.tray("--host", "0.0.0.0")  # noqa: S104
    assert json.loads(endpoint.read_text()) == {"host": "127.0.0.1", "port": home.port, "pid": process.pid}
    home.run("stop")
    assert process.wait(5) == 0
    assert not endpoint.exists()


def test_what_a_killed_tray_left_is_replaced_by_the_next(home: Home) -> None:
    home.tray().kill()
    home.port = free_port()
    process = home.tray()
    assert home.run("status").returncode == 0
    assert process.poll() is None


def test_only_where_no_port_was_asked_for_another_is_taken_and_that_is_said(home: Home) -> None:
    with socket.socket() as taken:
        with suppress(OSError):  # a tray of the person's has it: somebody else's for this one
            taken.bind(("127.0.0.1", DEFAULT_PORT))
            taken.listen()
        process = home.start("run", "--headless")
        assert process.stdout is not None
        assert f"port {DEFAULT_PORT} is taken by" in process.stdout.readline()
        assert home.run("status").returncode == 0
        assert "runs already" in home.run("run", "--headless").stdout
        assert home.run("stop").returncode == 0
        assert process.wait(5) == 0
        assert process.stdout.read() == ""
        assert home.run("run", "--headless", OPENCODE_MONITOR_PORT=str(DEFAULT_PORT)).returncode == 3
        open_to_others = home.run("run", "--headless", "--host", "0.0.0.0")  # noqa: S104
        assert open_to_others.returncode == 3  # they look for it there


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_two_seconds(home: Home, number: signal.Signals) -> None:
    process = home.tray()
    asyncio.run(say_once(home, SNAPSHOT))
    begin = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert time.monotonic() - begin < 2


def test_the_state_is_told_and_outlives_a_restart_greyed(home: Home) -> None:
    process = home.tray()
    asyncio.run(say_once(home, SNAPSHOT))
    told = until(lambda: home.status()["sessions"])[0]
    assert (told["id"], told["title"], told["directory"]) == (SES, "Work", "/home/dev/project")
    process.terminate()
    process.wait(5)
    home.tray()
    again = home.status()
    assert [(s["id"], s["status"]) for s in again["sessions"]] == [(SES, "disconnected")]
    assert again["attention"]["state"] == "disconnected"


def test_a_tray_that_was_killed_leaves_nothing_in_the_way(home: Home) -> None:
    process = home.tray()
    process.kill()
    process.wait(5)
    home.tray()
    assert home.status()["attention"]["tooltip"] == "No sessions"


def test_a_corrupt_cache_is_set_aside_and_the_tray_runs(home: Home) -> None:
    cache = home.path / "data/opencode-tray/cache.json"
    cache.parent.mkdir(parents=True, mode=0o700)
    cache.write_text("{broken", encoding="utf-8")
    home.tray()
    assert home.status()["sessions"] == []
    assert cache.with_suffix(".json.corrupt").read_text(encoding="utf-8") == "{broken"


def test_status_json_has_the_shape_that_scripts_rely_on(home: Home) -> None:
    ask = {"id": "per_1", "sessionID": SES, "permission": "bash", "patterns": ["ls"], "always": ["ls *"],
           "metadata": {"command": "ls -la"}}  # fmt: skip

    async def converse() -> None:
        async with connection(f"http://127.0.0.1:{home.port}/") as link:
            await link.authenticate(home.token)
            await link.send({**SNAPSHOT, "permissions": [ask]})
            report = await asyncio.to_thread(until, lambda: (r := home.status())["sessions"] and r)
            session = report["sessions"][0]
            assert report["attention"]["state"] == session["status"] == "waiting_for_permission"
            assert report["attention"]["waiting"] == 1
            request = session["requests"][0]
            assert {k: request[k] for k in ("id", "kind", "session", "title", "detail", "always", "sending")} == {
                "id": "per_1", "kind": "permission", "session": SES, "title": "bash", "detail": "ls -la",
                "always": ["ls *"], "sending": False,
            }  # fmt: skip
            assert set(report) >= {"version", "attention", "servers", "sessions"}
            assert set(report["servers"][0]) >= {
                "id", "name", "host", "directory", "branch", "url", "connected", "verified", "opencode",
            }  # fmt: skip
            assert set(session) >= {
                "id", "server", "parent", "title", "status", "status_since", "directory", "agent", "model", "tokens",
                "cost", "context_percent", "messages", "last_output", "requests", "todos", "muted",
            }  # fmt: skip
            assert set(session["tokens"]) == {"input", "output", "reasoning", "cache_read", "cache_write"}

    home.tray()
    asyncio.run(converse())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
def test_what_the_tray_writes_is_its_owners_alone_and_holds_no_secret(home: Home) -> None:
    process = home.tray("--debug")
    prompt = ["session.updated", {"info": {"id": SES, "title": "TOPSECRET"}}]
    asyncio.run(say_once(home, SNAPSHOT, prompt, "not json TOPSECRET"))
    process.terminate()
    process.wait(5)
    for name in ("token", "cache.json"):
        assert stat.S_IMODE((home.path / "data/opencode-tray" / name).stat().st_mode) == 0o600
    logs = "".join(path.read_text(encoding="utf-8") for path in home.path.rglob("*.log"))
    assert "connected" in logs
    assert home.token not in logs
    assert "TOPSECRET" not in logs


def test_listening_beyond_this_machine_says_so(home: Home) -> None:
    process = home.start("run", "--headless", "--host", "0.0.0.0", "--port", str(home.port))  # noqa: S104
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(3)]
    assert "0.0.0.0" in said[0]  # noqa: S104
    assert "other machines" in said[1]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has 127.0.0.1 alone")
def test_every_address_of_this_machine_alone_is_taken_for_that(home: Home) -> None:
    process = home.start("run", "--headless", "--host", "127.0.0.2", "--port", str(home.port))
    assert process.stdout is not None
    assert "127.0.0.2" in process.stdout.readline()
    assert home.run("stop", "--port", str(home.port), OPENCODE_TRAY_LISTENER_HOST="127.0.0.2").returncode == 0
    assert process.stdout.read() == ""


@pytest.mark.parametrize("flag", ["install-plugin", "--install-plugin"])
def test_the_plugin_is_installed_once_updated_and_removed(home: Home, flag: str) -> None:
    target = home.path / "config/opencode/plugin/opencode-tray.js"
    done = home.run(flag)
    assert done.returncode == 0
    assert str(target) in done.stdout
    shipped = target.read_text(encoding="utf-8")
    assert "already" in home.run(flag).stdout
    target.write_text(shipped + "\n// older\n", encoding="utf-8")
    assert "Updated" in home.run(flag).stdout
    assert target.read_text(encoding="utf-8") == shipped
    assert list(target.parent.iterdir()) == [target]
    removed = home.run(flag.replace("install", "uninstall"))
    assert removed.returncode == 0
    assert not target.exists()
    assert "No plugin" in home.run("uninstall-plugin").stdout


def test_a_foreign_file_is_never_overwritten_nor_removed(home: Home) -> None:
    target = home.path / "config/opencode/plugin/opencode-tray.js"
    target.parent.mkdir(parents=True)
    target.write_text("export const Mine = async () => ({})", encoding="utf-8")
    for command in ("install-plugin", "uninstall-plugin"):
        done = home.run(command)
        assert done.returncode == 1
        assert str(target) in done.stderr
    assert "Mine" in target.read_text(encoding="utf-8")


def test_the_plugin_never_runs_twice_from_both_folders(home: Home) -> None:
    home.run("install-plugin")
    target = home.path / "config/opencode/plugin/opencode-tray.js"
    twin = home.path / "config/opencode/plugins/opencode-tray.js"
    twin.parent.mkdir()
    twin.write_text(target.read_text(encoding="utf-8"), encoding="utf-8")
    home.run("install-plugin")
    assert target.exists()
    assert not twin.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_two_names_of_one_plugin_folder_are_one(home: Home) -> None:
    folder = home.path / "config/opencode/plugin"
    folder.mkdir(parents=True)
    (folder.parent / "plugins").symlink_to("plugin")
    for _ in range(3):
        assert home.run("install-plugin").returncode == 0
        assert (folder / "opencode-tray.js").exists()
    assert home.run("uninstall-plugin").returncode == 0
    assert not (folder / "opencode-tray.js").exists()


def test_opencodes_own_configuration_folder_is_honoured(home: Home) -> None:
    done = home.run("install-plugin", OPENCODE_CONFIG_DIR=str(home.path / "elsewhere"))
    assert (home.path / "elsewhere/plugin/opencode-tray.js").exists(), done.stderr


def test_config_tells_every_value_and_where_it_came_from(home: Home) -> None:
    done = home.run("config", "--json", OPENCODE_MONITOR_PORT="4242")
    told = json.loads(done.stdout)["settings"]
    assert told["listener.port"] == {"value": 4242, "source": "OPENCODE_MONITOR_PORT"}
    assert told["icon.style"] == {"value": "colour", "source": "default"}


def test_the_seeds_port_flag_and_variable_choose_the_tray(home: Home) -> None:
    home.tray()
    assert home.run("status", "--ws-port", str(home.port)).returncode == 0
    assert home.run("status", OPENCODE_MONITOR_PORT=str(home.port)).returncode == 0


def test_doctor_gives_a_mend_for_each_finding(home: Home) -> None:
    done = home.run("doctor", "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    assert {"settings", "token", "plugin", "opencode", "port", "tray host", "notifications", "terminal"} <= {
        finding["check"] for finding in findings
    }
    assert all(bool(finding["fix"]) == (finding["level"] != "ok") for finding in findings)
    assert {f["check"] for f in findings if f["level"] == "broken"} >= {"token", "plugin"}


def test_doctor_mends_what_it_safely_can(home: Home) -> None:
    home.run("doctor", "--fix")
    levels = {f["check"]: f["level"] for f in json.loads(home.run("doctor", "--json").stdout)}
    assert (levels["token"], levels["plugin"]) == ("ok", "ok")
    token = home.path / "data/opencode-tray/token"
    if sys.platform != "win32":
        token.chmod(0o644)
        assert home.run("doctor").returncode == 1
        home.run("doctor", "--fix")
        assert token.stat().st_mode & 0o777 == 0o600


def test_the_demo_shows_a_fleet_with_no_opencode_at_all(home: Home) -> None:
    home.tray()
    home.start("demo", "--tray", "--port", str(home.port))
    sessions = until(lambda: home.status()["sessions"])
    assert len(sessions) >= 7
    until(lambda: home.status()["attention"]["waiting"] > 0, 15)
    asked = [request["id"] for session in home.status()["sessions"] for request in session["requests"]]
    done = home.run("reply", asked[0], "reject", "--port", str(home.port))
    assert (done.returncode, done.stdout.startswith("Rejected")) == (0, True), done.stderr


def test_a_demo_of_its_own_says_how_to_look_at_it_from_a_terminal(home: Home) -> None:
    process = home.start("demo", "--headless")
    assert process.stdout is not None
    said = ""
    while (found := re.search(r"OPENCODE_TRAY_TOKEN_FILE=(\S+) opencode-tray watch", said)) is None:
        line = process.stdout.readline()
        assert line, said
        said += line
    done = home.run("status", OPENCODE_TRAY_TOKEN_FILE=found[1])
    assert done.returncode == 0, done.stderr
    assert not (home.path / "data").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals for this")
def test_watch_shows_a_live_table_in_a_terminal_until_the_tray_goes(home: Home) -> None:
    home.tray()
    asyncio.run(say_once(home, SNAPSHOT))
    until(lambda: home.status()["sessions"])
    master, slave = os.openpty()
    command = [sys.executable, "-m", "tray", "watch", "--port", str(home.port)]
    environment = {**home.environment, "COLUMNS": "160", "LINES": "40", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment, cwd=home.path) as watch:
        os.close(slave)
        said = b""
        while b"Work" not in said:
            said += os.read(master, 65536)  # ends with an error when the program ends
        assert home.run("stop", "--port", str(home.port)).returncode == 0
        assert watch.wait(10) == 1
    os.close(master)


def test_a_wrong_token_gets_no_status(home: Home) -> None:
    home.tray()
    done = home.run("status", "--port", str(home.port), OPENCODE_MONITOR_TOKEN="wrong")
    assert done.returncode == 1
    assert "token" in done.stderr


def test_a_running_tray_keeps_its_settings_when_the_file_becomes_invalid(home: Home) -> None:
    process = home.tray()
    settings = home.path / "config/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[icon\n", encoding="utf-8")
    assert home.run("status", "--port", str(home.port)).returncode == 2  # the command says what is wrong
    assert process.poll() is None
