"""The commands as real processes with a private home and real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest

from fakes import connection
from real_windows import IS_WINE
from tray import __version__
from tray.core.settings import DEFAULT_PORT
from tray.surfaces.control import status_report
from tray_process import Home, free_port
from waiting import until

SES = "ses_1"


async def say_once(home: Home, *frames: Any) -> None:
    """Connect as a plugin, send these frames, and wait until the tray has read them."""
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


def test_status_without_a_tray_fails_with_exit_code_1(home: Home) -> None:
    done = home.run("status", "--port", str(home.port))
    assert done.returncode == 1
    assert "opencode-tray" in done.stderr
    assert done.stdout == ""


def test_invalid_usage_fails_with_exit_code_2(home: Home) -> None:
    assert home.run("status", "--nonsense").returncode == 2
    assert home.run("run", "--port", "many").returncode == 2


def test_the_version_in_detail_names_python_and_where_the_program_is(home: Home) -> None:
    done = home.run("--version", "--verbose")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"opencode-tray {__version__}, Python packages in ")
    assert f"Python {platform.python_version()}" in done.stdout
    assert home.run("--verbose").returncode == 2


def test_an_unknown_command_suggests_a_similar_one_and_lists_all(home: Home) -> None:
    done = home.run("stauts")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown command 'stauts'; did you mean 'status'?" in done.stderr
    done = home.run("foo", "--port", "1")
    assert done.returncode == 2
    assert all(command in done.stderr for command in ("status", "watch", "install-plugin", "doctor"))
    assert "unrecognized" in home.run("--nonsense").stderr  # an option is not a command
    assert "COMMAND" in home.run("session", "--help").stdout + home.run("serve", "--help").stdout


def test_an_invalid_setting_names_file_key_value_and_allowed_values(home: Home) -> None:
    settings = home.settings
    settings.parent.mkdir(parents=True)
    settings.write_text('[icon]\nstyle = "rainbow"\n', encoding="utf-8")
    for command in (("run", "--headless"), ("config",), ("status",)):
        done = home.run(*command)
        assert done.returncode == 2, command
        for word in (str(settings), "icon.style", "rainbow", "monochrome"):
            assert word in done.stderr


def test_an_invalid_port_in_the_file_is_reported_even_if_an_option_overrides_it(home: Home) -> None:
    settings = home.settings
    settings.parent.mkdir(parents=True)
    settings.write_text("[listener]\nport = 70000\n", encoding="utf-8")
    process = home.start("run", "--headless", "--port", str(home.port))
    assert process.stdout is not None
    output = process.stdout.readline()
    assert all(word in output for word in (str(settings), "listener.port", "70000"))
    assert "listens on" in process.stdout.readline()


def test_a_running_tray_reports_its_status_and_can_be_stopped(home: Home) -> None:
    process = home.tray()
    report = home.status()
    assert report["attention"] == {"state": "idle", "waiting": 0, "busy": 0, "tooltip": "No sessions"}
    assert (report["servers"], report["sessions"]) == ([], [])
    assert home.run("stop", "--port", str(home.port)).returncode == 0
    assert process.wait(5) == 0


def test_a_second_start_prints_the_state_of_the_running_tray(home: Home) -> None:
    home.tray()
    second = home.run("run", "--headless", "--port", str(home.port))
    assert second.returncode == 0
    assert "already running" in second.stdout
    assert "No sessions" in second.stdout


def test_a_port_in_use_by_another_program_names_it_and_fails_with_exit_code_3(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.port))
        taken.listen()
        done = home.run("run", "--headless", "--port", str(home.port))
    assert done.returncode == 3
    assert IS_WINE or str(os.getpid()) in done.stderr  # Wine does not tell whose a port is
    assert "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_commands_find_the_running_tray_on_any_port(home: Home) -> None:
    home.tray()
    for command in (["status"], ["mute"], ["token", "rotate"], ["status"]):
        done = home.run(*command)
        assert (done.returncode, "No tray is running" in done.stdout) == (0, False), (command, done.stderr)
    (found,) = [f for f in json.loads(home.run("doctor", "--json").stdout) if f["check"] == "port"]
    assert (found["level"], str(home.port) in found["message"]) == ("ok", True)
    second = home.run("run", "--headless")
    assert (second.returncode, f"already running on port {home.port}" in second.stdout) == (0, True)
    elsewhere = home.run("run", "--headless", "--port", str(free_port()))
    assert (elsewhere.returncode, "stop the running tray first" in elsewhere.stderr) == (1, True)
    assert home.run("stop").returncode == 0


def test_the_endpoint_file_exists_only_while_the_tray_runs(home: Home) -> None:
    endpoint = home.path / "data/opencode-tray/endpoint"
    process = home.tray("--host", "0.0.0.0")  # noqa: S104
    assert json.loads(endpoint.read_text()) == {"host": "127.0.0.1", "port": home.port, "pid": process.pid}
    home.run("stop")
    assert process.wait(5) == 0
    assert not endpoint.exists()


def test_the_endpoint_file_of_a_killed_tray_is_replaced(home: Home) -> None:
    home.tray().kill()
    home.port = free_port()
    process = home.tray()
    assert home.run("status").returncode == 0
    assert process.poll() is None


def test_another_port_is_used_only_if_no_port_was_configured(home: Home) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections of another test
        with suppress(OSError):  # a tray of the user has it; for this home it is another program
            taken.bind(("127.0.0.1", DEFAULT_PORT))
            taken.listen()
        process = home.start("run", "--headless")
        assert process.stdout is not None
        assert f"port {DEFAULT_PORT} is in use by" in process.stdout.readline()
        assert home.run("status").returncode == 0
        assert "already running" in home.run("run", "--headless").stdout
        assert home.run("stop").returncode == 0
        assert process.wait(5) == 0
        assert process.stdout.read() == ""
        assert home.run("run", "--headless", OPENCODE_MONITOR_PORT=str(DEFAULT_PORT)).returncode == 3
        open_to_others = home.run("run", "--headless", "--host", "0.0.0.0")  # noqa: S104
        assert open_to_others.returncode == 3  # other machines expect it on this port


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_tray_within_two_seconds(home: Home, number: signal.Signals) -> None:
    process = home.tray()
    asyncio.run(say_once(home, SNAPSHOT))
    begin = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0
    assert time.monotonic() - begin < 2


def test_sessions_survive_a_restart_as_disconnected(home: Home) -> None:
    process = home.tray()
    asyncio.run(say_once(home, SNAPSHOT))
    session = until(lambda: home.status()["sessions"])[0]
    assert (session["id"], session["title"], session["directory"]) == (SES, "Work", "/home/dev/project")
    process.terminate()
    process.wait(5)
    home.tray()
    again = home.status()
    assert [(s["id"], s["status"]) for s in again["sessions"]] == [(SES, "disconnected")]
    assert again["attention"]["state"] == "disconnected"


def test_a_tray_starts_after_the_last_one_was_killed(home: Home) -> None:
    process = home.tray()
    process.kill()
    process.wait(5)
    home.tray()
    assert home.status()["attention"]["tooltip"] == "No sessions"


def test_a_corrupt_cache_is_renamed_and_the_tray_runs(home: Home) -> None:
    cache = home.path / "data/opencode-tray/cache.json"
    cache.parent.mkdir(parents=True, mode=0o700)
    cache.write_text("{broken", encoding="utf-8")
    home.tray()
    assert home.status()["sessions"] == []
    (damaged,) = cache.parent.glob("cache.json.damaged-*")
    assert damaged.read_text(encoding="utf-8") == "{broken"


def test_status_json_has_the_documented_keys(home: Home) -> None:
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
                "id", "name", "host", "directory", "branch", "url", "connected", "verified", "agent_kind", "version",
            }  # fmt: skip
            assert set(session) >= {
                "id", "server", "parent", "title", "status", "status_since", "directory", "agent", "model", "tokens",
                "cost", "context_percent", "messages", "last_output", "requests", "todos", "muted",
            }  # fmt: skip
            assert set(session["tokens"]) == {"input", "output", "reasoning", "cache_read", "cache_write"}
            keys = {*report, *report["attention"], *report["servers"][0], *session, *session["files"], *request}
            assert {key for key in keys if not re.search(rf"\b{key}\b", str(status_report.__doc__))} == set()

    home.tray()
    asyncio.run(converse())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
def test_files_of_the_tray_are_private_and_logs_have_no_secrets(home: Home) -> None:
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


def test_listening_for_other_machines_prints_a_warning(home: Home) -> None:
    process = home.start("run", "--headless", "--host", "0.0.0.0", "--port", str(home.port))  # noqa: S104
    assert process.stdout is not None
    output = [process.stdout.readline() for _ in range(3)]
    assert "0.0.0.0" in output[0]  # noqa: S104
    assert "other machines" in output[1]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has 127.0.0.1 alone")
def test_any_loopback_address_prints_no_warning(home: Home) -> None:
    process = home.start("run", "--headless", "--host", "127.0.0.2", "--port", str(home.port))
    assert process.stdout is not None
    assert "127.0.0.2" in process.stdout.readline()
    assert home.run("stop", "--port", str(home.port), OPENCODE_TRAY_LISTENER_HOST="127.0.0.2").returncode == 0
    assert process.stdout.read() == ""


@pytest.mark.parametrize("flag", ["install-plugin", "--install-plugin"])
def test_the_plugin_is_installed_updated_and_removed(home: Home, flag: str) -> None:
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
    assert "not installed" in home.run("uninstall-plugin").stdout


def test_a_file_of_another_program_is_never_overwritten_or_removed(home: Home) -> None:
    target = home.path / "config/opencode/plugin/opencode-tray.js"
    target.parent.mkdir(parents=True)
    target.write_text("export const Mine = async () => ({})", encoding="utf-8")
    for command in ("install-plugin", "uninstall-plugin"):
        done = home.run(command)
        assert done.returncode == 1
        assert str(target) in done.stderr
    assert "Mine" in target.read_text(encoding="utf-8")


def test_a_copy_of_the_plugin_in_the_other_folder_is_removed(home: Home) -> None:
    home.run("install-plugin")
    target = home.path / "config/opencode/plugin/opencode-tray.js"
    twin = home.path / "config/opencode/plugins/opencode-tray.js"
    twin.parent.mkdir()
    twin.write_text(target.read_text(encoding="utf-8"), encoding="utf-8")
    home.run("install-plugin")
    assert target.exists()
    assert not twin.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_two_names_of_one_plugin_folder_are_the_same_folder(home: Home) -> None:
    folder = home.path / "config/opencode/plugin"
    folder.mkdir(parents=True)
    (folder.parent / "plugins").symlink_to("plugin")
    for _ in range(3):
        assert home.run("install-plugin").returncode == 0
        assert (folder / "opencode-tray.js").exists()
    assert home.run("uninstall-plugin").returncode == 0
    assert not (folder / "opencode-tray.js").exists()


def test_the_plugin_goes_into_the_folder_of_opencode_config_dir(home: Home) -> None:
    done = home.run("install-plugin", OPENCODE_CONFIG_DIR=str(home.path / "elsewhere"))
    assert (home.path / "elsewhere/plugin/opencode-tray.js").exists(), done.stderr


def test_config_prints_values_and_sources(home: Home) -> None:
    done = home.run("config", "--json", OPENCODE_MONITOR_PORT="4242")
    values = json.loads(done.stdout)["settings"]
    assert values["listener.port"] == {"value": 4242, "source": "OPENCODE_MONITOR_PORT"}
    assert values["icon.style"] == {"value": "colour", "source": "default"}


def test_opencode_monitors_port_option_and_variable_choose_the_tray(home: Home) -> None:
    home.tray()
    assert home.run("status", "--ws-port", str(home.port)).returncode == 0
    assert home.run("status", OPENCODE_MONITOR_PORT=str(home.port)).returncode == 0


def test_doctor_prints_a_fix_for_each_finding(home: Home) -> None:
    done = home.run("doctor", "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    assert {"settings", "token", "plugin", "opencode", "port", "tray host", "notifications", "terminal"} <= {
        finding["check"] for finding in findings
    }
    assert all(bool(finding["fix"]) == (finding["level"] != "ok") for finding in findings)
    assert {f["check"] for f in findings if f["level"] == "broken"} >= {"token", "plugin"}


def test_doctor_fixes_what_can_be_fixed_safely(home: Home) -> None:
    home.run("doctor", "--fix")
    levels = {f["check"]: f["level"] for f in json.loads(home.run("doctor", "--json").stdout)}
    assert (levels["token"], levels["plugin"]) == ("ok", "ok")
    token = home.path / "data/opencode-tray/token"
    if sys.platform != "win32":
        token.chmod(0o644)
        assert home.run("doctor").returncode == 1
        home.run("doctor", "--fix")
        assert token.stat().st_mode & 0o777 == 0o600


def test_the_demo_simulates_sessions_without_opencode(home: Home) -> None:
    home.tray()
    home.start("demo", "--tray", "--port", str(home.port))
    sessions = until(lambda: home.status()["sessions"])
    assert len(sessions) >= 7
    until(lambda: home.status()["attention"]["waiting"] > 0, deadline=15)
    asked = [request["id"] for session in home.status()["sessions"] for request in session["requests"]]
    done = home.run("reply", asked[0], "reject", "--port", str(home.port))
    assert (done.returncode, done.stdout.startswith("Rejected")) == (0, True), done.stderr


def test_a_demo_prints_how_to_see_its_sessions_in_a_terminal(home: Home) -> None:
    process = home.start("demo", "--headless")
    assert process.stdout is not None
    output = ""
    while (found := re.search(r"OPENCODE_TRAY_TOKEN_FILE=(\S+) opencode-tray watch", output)) is None:
        line = process.stdout.readline()
        assert line, output
        output += line
    done = home.run("status", OPENCODE_TRAY_TOKEN_FILE=found[1])
    assert done.returncode == 0, done.stderr
    assert not (home.path / "data").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals for this")
def test_watch_shows_a_live_table_until_the_tray_stops(home: Home) -> None:
    home.tray()
    asyncio.run(say_once(home, SNAPSHOT))
    until(lambda: home.status()["sessions"])
    master, slave = os.openpty()
    command = [sys.executable, "-m", "tray", "watch", "--port", str(home.port)]
    environment = {**home.environment, "COLUMNS": "160", "LINES": "40", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment, cwd=home.path) as watch:
        os.close(slave)
        output = b""
        while b"Work" not in output:
            output += os.read(master, 65536)  # ends with an error when the program ends
        assert home.run("stop", "--port", str(home.port)).returncode == 0
        assert watch.wait(10) == 1
    os.close(master)


def test_status_with_a_wrong_token_fails(home: Home) -> None:
    home.tray()
    done = home.run("status", "--port", str(home.port), OPENCODE_MONITOR_TOKEN="wrong")
    assert done.returncode == 1
    assert "token" in done.stderr


def test_a_running_tray_keeps_its_settings_when_the_file_becomes_invalid(home: Home) -> None:
    process = home.tray()
    settings = home.settings
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[icon\n", encoding="utf-8")
    assert home.run("status", "--port", str(home.port)).returncode == 2  # the command says what is wrong
    assert process.poll() is None


def test_the_debug_log_traces_an_event_to_the_view_without_its_texts(home: Home) -> None:
    home.tray("--debug")
    asyncio.run(say_once(home, SNAPSHOT))
    until(lambda: home.status()["sessions"])
    (log_file,) = home.path.rglob("tray.log")
    lines = log_file.read_text(encoding="utf-8")
    assert ">> ServerConnected server=" in lines
    assert f"session {SES}: new, idle" in lines

    assert "Work" not in lines
