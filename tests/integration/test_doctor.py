"""doctor finds each problem, describes it and its fix in one line each, and reports nothing else."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from tray.actions.doctor import connections, desktop, installation, network
from tray.actions.doctor.context import DoctorContext
from tray.actions.doctor.finding import Finding, Level, fine, summary
from tray.actions.doctor.runner import apply_fixes, check_all, run_checks
from tray.actions.install import install_plugin
from tray.actions.serve.listing import FoundServer
from tray.core.settings import parse_settings
from tray.opencode.processes import OpenCodeProcess
from tray.storage.endpoint import Address, Endpoint, write_endpoint
from tray.storage.token import read_or_create_token
from tray.system.notification_daemon import NotificationDaemon
from tray.system.paths import Paths
from tray.system.tray_host import TrayHost

Check = Callable[[DoctorContext], Iterator[Finding]]
HTTP = {
    "agent_kind": "opencode", "source": "http", "problem": "", "url": "http://a:1", "connected": True,
    "version": "1.18.33", "host": "a",
}  # fmt: skip


@pytest.fixture
def context(tmp_path: Path) -> DoctorContext:
    """A machine without problems."""
    paths = Paths.inside(tmp_path / "ours")
    read_or_create_token(paths.token)
    install_plugin(paths.plugin)
    program = tmp_path / ("opencode.exe" if sys.platform == "win32" else "opencode")
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return DoctorContext(
        paths=paths,
        environment={"OPENCODE_CONFIG_DIR": str(tmp_path / "config")},
        settings=parse_settings({}, "", {}, {}),
        settings_problem="",
        status={"host": "here", "servers": []},
        address=Address("127.0.0.1", 41235),
        port_owner="python (pid 1)",
        daemon=NotificationDaemon("daemon", frozenset({"actions"})),
        tray_host=TrayHost(bus=True, watcher=True, panel=True),
        processes=[],
        servers=[],
        program=str(program),
        version="1.18.33",
    )


def found(check: Check, context: DoctorContext) -> list[Finding]:
    return [finding for finding in check(context) if finding.level is not Level.OK]


def only(check: Check, context: DoctorContext) -> Finding:
    (finding,) = found(check, context)
    assert finding.fix
    assert "\n" not in finding.message + finding.fix
    return finding


LATER = 4e9  # s since the Unix epoch: after anything that a test installs


def process(
    directory: str, *arguments: str, pid: int = 7, started: float = 1.0, environment: dict[str, str] | None = None
) -> OpenCodeProcess:
    return OpenCodeProcess(pid, started, directory, arguments, Path("/data"), environment=environment or {})


ALL = (
    installation.settings, installation.token, installation.plugin, installation.opencode, installation.port,
    connections.plugins, desktop.tray_host, desktop.notifications, desktop.duplicates, network.servers,
    network.clocks,
)  # fmt: skip


def test_a_machine_without_problems_has_no_findings(context: DoctorContext) -> None:
    assert [finding for check in ALL for finding in found(check, context)] == []
    assert summary(finding for check in ALL for finding in check(context)) == "No problems found."


def test_the_summary_lists_broken_findings_first(context: DoctorContext) -> None:
    poor = replace(context, tray_host=TrayHost(), settings_problem="icon.style = 7 is not allowed")
    lines = summary(f for check in (desktop.tray_host, installation.settings) for f in check(poor)).splitlines()
    assert lines[0].startswith("icon.style = 7 is not allowed")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
def test_files_that_other_users_can_read_are_made_private(context: DoctorContext) -> None:
    context.paths.token.chmod(0o640)
    finding = only(installation.token, context)
    assert (finding.level, "chmod 600" in finding.fix) == (Level.BROKEN, True)
    assert apply_fixes([finding]) != []
    assert found(installation.token, context) == []
    context.paths.servers.mkdir()
    record = context.paths.servers / "4096.json"
    record.write_text("{}", encoding="utf-8")
    record.chmod(0o644)
    apply_fixes([only(installation.token, context)])
    assert found(installation.token, context) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("[listener]\nport = 41001\n", False),
        ('[[servers]]\nurl = "http://a:1"\npassword_env = "PASSWORD"\n', False),
        ('[[channels]]\nkind = "telegram"\ntoken = "7:x"\n', True),
        ('[[channels]]\nkind = "telegram"\ntoken_env = "TOKEN"\n', False),
        ('[[channels]]\nkind = "slack"\napp_token = "xapp"\n', True),
        ('[[channels]]\nkind = "discord"\nurl = "https://discord.com/api/webhooks/1/x"\n', True),
        ('[[servers]]\nurl = "http://a:1"\npassword = "x"\n', True),
        ('servers = [{url = "http://a:1", "password"="x"}]\n', True),
        ('# password = "an old one"\n', True),
    ],
)
def test_readable_settings_are_reported_only_if_they_contain_a_password(
    context: DoctorContext, text: str, is_secret: bool
) -> None:
    context.paths.settings.write_text(text, encoding="utf-8")
    context.paths.settings.chmod(0o644)
    assert bool(found(installation.token, context)) == is_secret


def test_a_missing_or_outdated_plugin_is_installed(context: DoctorContext) -> None:
    for text in ("", "// OpenCode Tray's plugin"):
        context.paths.plugin.unlink()
        if text:
            context.paths.plugin.write_text(text, encoding="utf-8")
        finding = only(installation.plugin, context)
        assert finding.level is Level.BROKEN
        apply_fixes([finding])
        assert found(installation.plugin, context) == []


def test_the_npm_package_counts_as_installed_from_opencodes_next_start(context: DoctorContext) -> None:
    context.paths.plugin.unlink()
    configuration = context.paths.plugin.parent.parent / "opencode.jsonc"
    configuration.write_text('{ "theme": "opencode-tray", // mine\n "plugin": ["other"] }', encoding="utf-8")
    assert only(installation.plugin, context).level is Level.BROKEN
    configuration.write_text('{ "plugin": ["other", "opencode-tray@0.1.0"], // mine\n }', encoding="utf-8")
    assert found(installation.plugin, context) == []
    assert "was started before the plugin was installed" in message_about(context, process("/srv/a"))
    assert "not connected to the tray" in message_about(context, process("/srv/a", started=LATER))


def test_a_fix_that_fails_is_reported_as_not_fixed(context: DoctorContext) -> None:
    context.paths.plugin.write_text("another program's", encoding="utf-8")
    finding = only(installation.plugin, context)
    assert apply_fixes([finding])[0].startswith("not fixed: ")


def message_about(context: DoctorContext, *running: OpenCodeProcess) -> str:
    return only(connections.plugins, replace(context, processes=list(running))).message


def test_the_plugin_is_reported_as_not_loaded_only_if_that_is_certain(context: DoctorContext) -> None:
    assert "/srv/a (process 7) was started before the plugin" in message_about(context, process("/srv/a"))
    assert "without plugins" in message_about(context, process("/srv/a", "--pure", started=LATER))
    assert "not connected to the tray at 127.0.0.1:41235" in message_about(context, process("/srv/a", started=LATER))
    context.paths.plugin.unlink()
    finding = only(connections.plugins, replace(context, processes=[process("/srv/a", started=LATER)]))
    assert "has not loaded the plugin, which is not installed" in finding.message
    assert "opencode-tray install-plugin" in finding.fix


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"OPENCODE_MONITOR_PORT": "41001"}, "its OPENCODE_MONITOR_PORT is 41001"),
        ({"OPENCODE_MONITOR_HOST": "far.example"}, "its OPENCODE_MONITOR_HOST is far.example"),
        ({"OPENCODE_MONITOR_TOKEN": "secret"}, "its OPENCODE_MONITOR_TOKEN differs"),
        ({"XDG_DATA_HOME": "/elsewhere"}, "its XDG_DATA_HOME differs"),
        ({"OPENCODE_PURE": "1"}, "without plugins"),
        ({"OPENCODE_MONITOR_PORT": "41235", "OPENCODE_MONITOR_HOST": "far.example,127.0.0.1"}, "41235"),
        ({}, "41235"),
    ],
)
def test_the_likely_reason_for_a_missing_connection_is_reported(
    context: DoctorContext, tmp_path: Path, environment: dict[str, str], word: str
) -> None:
    config = tmp_path / "config"
    install_plugin(config / "plugin" / context.paths.plugin.name)
    there = {"OPENCODE_CONFIG_DIR": str(config), **environment}
    message = message_about(context, process("/srv/a", started=LATER, environment=there))
    assert word in message
    assert "secret" not in message
    assert ("its " in message) == ("its " in word)


def test_the_fix_names_the_configuration_folder_of_the_process(context: DoctorContext, tmp_path: Path) -> None:
    there = {"OPENCODE_CONFIG_DIR": str(tmp_path / "own"), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    running = process("/srv/a", started=LATER, environment=there)
    finding = only(connections.plugins, replace(context, processes=[running]))
    assert "not installed for it" in finding.message
    assert f"OPENCODE_CONFIG_DIR={tmp_path / 'own'} opencode-tray install-plugin" in finding.fix


def test_connected_processes_and_servers_are_not_reported(context: DoctorContext) -> None:
    running = replace(context, processes=[process("/srv/a"), process("/srv/b", "serve", pid=8)])
    plugin = {**HTTP, "source": "plugin", "host": "here", "pid": 7, "plugin": "", "directory": "/srv/a"}
    connected = replace(running, status={"host": "here", "servers": [plugin]})
    assert found(connections.plugins, connected) == []
    assert [finding.message for finding in connections.plugins(connected)] == ["1 OpenCode is connected by plugin"]


def test_another_version_of_the_plugin_on_another_machine_is_reported(context: DoctorContext) -> None:
    plugin = {**HTTP, "source": "plugin", "host": "far", "pid": 7, "plugin": "0.0.1", "directory": "/srv"}
    report = {"host": "here", "servers": [plugin]}
    assert "far runs plugin 0.0.1" in only(connections.plugins, replace(context, status=report)).message


@pytest.mark.parametrize(
    ("version", "word"), [("1.14.41", "does not receive answers"), ("1.0.185", "does not accept a message")]
)
def test_the_limits_of_old_versions_of_opencode_are_reported(context: DoctorContext, version: str, word: str) -> None:
    report = {"servers": [{**HTTP, "version": version}]}
    assert word in only(installation.opencode, replace(context, status=report)).message


def test_without_a_tray_only_a_configured_port_in_use_is_broken(context: DoctorContext) -> None:
    alone = replace(context, status=None)
    assert only(installation.port, replace(alone, port_owner=None)).level is Level.NOTE
    assert only(installation.port, alone).level is Level.NOTE
    asked = replace(alone, settings=parse_settings({"listener": {"port": 41235}}, "file", {}, {}))
    assert only(installation.port, asked).level is Level.BROKEN


def test_a_configured_port_that_differs_from_the_tray_is_reported(context: DoctorContext) -> None:
    moved = replace(context, address=Address("127.0.0.1", 41001))
    assert [finding.message for finding in installation.port(moved)] == ["the tray listens on 127.0.0.1:41001"]
    settings = parse_settings({"listener": {"port": 41002}}, "settings.toml", {}, {})
    finding = only(installation.port, replace(moved, settings=settings))
    assert "port 41001, but the configured port is 41002 (settings.toml)" in finding.message


def test_a_variable_with_another_port_than_the_running_tray_is_reported(context: DoctorContext) -> None:
    write_endpoint(context.paths.endpoint, Endpoint("127.0.0.1", 41001, os.getpid()))
    settings = parse_settings({}, "", {"OPENCODE_MONITOR_PORT": "5"}, {})
    finding = only(
        installation.port,
        replace(context, status=None, settings=settings, address=Address("127.0.0.1", 5), port_owner=None),
    )
    assert "41001" in finding.message
    assert "OPENCODE_MONITOR_PORT" in finding.fix


def test_a_daemon_without_buttons_is_a_note_and_no_daemon_is_broken(
    context: DoctorContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    if sys.platform == "linux":
        assert (
            "without buttons"
            in only(desktop.notifications, replace(context, daemon=NotificationDaemon("plain"))).message
        )
    assert only(desktop.notifications, replace(context, daemon=None)).level is Level.BROKEN


@pytest.mark.parametrize(
    ("file", "text", "word"),
    [
        ("tui.json", '{"attention": {"sound": true, "enabled": true}}', "OpenCode itself notifies"),
        ("opencode.jsonc", '{ // mine\n "plugin": ["opencode-notifier@1", "other"] }', "opencode-notifier@1"),
        ("plugin/ding.js", "export const Ding = async ({ $ }) => ({ event: () => $`notify-send hi` })", "ding.js"),
    ],
)
def test_other_programs_that_notify_are_reported(
    context: DoctorContext, tmp_path: Path, file: str, text: str, word: str
) -> None:
    path = tmp_path / "config" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert word in only(desktop.duplicates, context).message


@pytest.mark.skipif(sys.platform == "darwin", reason="`open` starts applications that are not on the PATH")
def test_a_configured_terminal_that_is_not_installed_is_reported(context: DoctorContext) -> None:
    settings = parse_settings({"attach": {"terminal": "no-such-terminal --class x"}}, "", {}, {})
    named = next(iter(desktop.terminal(replace(context, settings=settings))))
    assert (named.level, "no-such-terminal" in named.message) == (Level.NOTE, True)
    assert "double quotes" in named.fix


def test_plugins_and_settings_that_do_not_notify_are_not_reported(context: DoctorContext, tmp_path: Path) -> None:
    (tmp_path / "config/plugin").mkdir(parents=True)
    (tmp_path / "config/tui.json").write_text('{"attention": {"enabled": false}}', encoding="utf-8")
    (tmp_path / "config/opencode.json").write_text('{"plugin": ["x"], "model": "notifier/7"}', encoding="utf-8")
    (tmp_path / "config/plugin/a.js").write_text("export const A = async () => ({})", encoding="utf-8")
    install_plugin(tmp_path / "config/plugin/opencode-tray.js")
    assert found(desktop.duplicates, context) == []


def test_a_configuration_of_opencode_that_cannot_be_looked_up_has_no_plugins(context: DoctorContext) -> None:
    folder = {"OPENCODE_CONFIG_DIR": "/" + "a" * 300}  # pathlib raises OSError, as in a folder of another user
    assert found(desktop.duplicates, replace(context, environment=folder)) == []


@pytest.mark.parametrize(
    ("server", "level", "word"),
    [
        (FoundServer("4096", "locked", directory="/w"), Level.BROKEN, "[[servers]]"),
        (FoundServer("4096", "silent", directory="/w"), Level.BROKEN, "serve stop 4096"),
        (FoundServer("4096", "ended", directory="/w"), Level.NOTE, "serve clean"),
    ],
)
def test_servers_with_problems_are_reported(
    context: DoctorContext, server: FoundServer, level: Level, word: str
) -> None:
    finding = only(network.servers, replace(context, servers=[server]))
    assert (finding.level, word in finding.fix) == (level, True)


def test_the_problem_of_a_server_is_reported(context: DoctorContext) -> None:
    report = {"servers": [{**HTTP, "problem": "the password is refused", "connected": False}]}
    assert "the password is refused" in only(network.servers, replace(context, status=report)).message


@pytest.mark.parametrize(("skew", "word"), [(90_000, "90 s ahead"), (-7_200_000, "7200 s behind")])
def test_clocks_that_differ_are_reported(context: DoctorContext, skew: int, word: str) -> None:
    report = {"servers": [{**HTTP, "clock_skew": skew}]}
    assert word in only(network.clocks, replace(context, status=report)).message


def test_a_check_that_raises_is_a_finding_and_stops_no_other_check(context: DoctorContext) -> None:
    def broken_check(_: DoctorContext) -> Iterator[Finding]:
        yield fine("first", "one thing was fine")
        raise IndexError("list index\nout of range")

    findings = check_all(context, [broken_check, installation.token])
    assert [finding.check for finding in findings] == ["first", "broken check", "token"]
    assert findings[1].message == "cannot check “broken check”: IndexError: list index out of range"
    assert (findings[1].level, bool(findings[1].fix)) == (Level.NOTE, True)


def test_a_part_that_cannot_be_gathered_is_a_finding(context: DoctorContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise IndexError("no /proc here")

    monkeypatch.setattr(psutil, "process_iter", none)
    monkeypatch.setattr(psutil, "net_connections", none)
    findings = asyncio.run(run_checks(context.paths, context.environment, None))
    messages = [finding.message for finding in findings]
    assert "cannot check the processes of OpenCode: IndexError: no /proc here" in messages
    assert "cannot check the owner of the port: IndexError: no /proc here" in messages
    assert {"settings", "token", "plugin", "port", "tray host"} <= {finding.check for finding in findings}


def test_the_json_of_a_finding_has_five_keys(context: DoctorContext) -> None:
    values: list[dict[str, Any]] = [finding.plain() for check in ALL for finding in check(context)]
    assert all(set(value) == {"check", "level", "message", "fix", "fixable"} for value in values)
