"""doctor: each thing that can be wrong is found, said in one line with its mend, and nothing else is."""

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
from tray.actions.doctor.runner import check_all, examine, mend
from tray.actions.plugin_file import install_plugin
from tray.actions.serve.listing import FoundServer
from tray.core.settings import parse_settings
from tray.opencode.processes import OpenCodeProcess
from tray.storage.endpoint import Address, Endpoint, write_endpoint
from tray.storage.token import read_or_create_token
from tray.system.notification_daemon import NotificationDaemon
from tray.system.paths import Paths
from tray.system.tray_host import TrayHost

Check = Callable[[DoctorContext], Iterator[Finding]]
HTTP = {"source": "http", "problem": "", "url": "http://a:1", "connected": True, "opencode": "1.18.33", "host": "a"}


@pytest.fixture
def scene(tmp_path: Path) -> DoctorContext:
    """A machine on which all is well."""
    paths = Paths.inside(tmp_path / "ours")
    read_or_create_token(paths.token)
    install_plugin(paths.plugin)
    program = tmp_path / "opencode"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return DoctorContext(
        paths=paths,
        environment={"OPENCODE_CONFIG_DIR": str(tmp_path / "config")},
        settings=parse_settings({}, "", {}, {}),
        settings_problem="",
        report={"servers": []},
        address=Address("127.0.0.1", 41235),
        holder="python (pid 1)",
        daemon=NotificationDaemon("daemon", frozenset({"actions"})),
        tray_host=TrayHost(bus=True, watcher=True, panel=True),
        processes=[],
        servers=[],
        program=str(program),
        version="1.18.33",
    )


def found(check: Check, scene: DoctorContext) -> list[Finding]:
    return [finding for finding in check(scene) if finding.level is not Level.OK]


def only(check: Check, scene: DoctorContext) -> Finding:
    (finding,) = found(check, scene)
    assert finding.fix
    assert "\n" not in finding.told + finding.fix
    return finding


LATER = 4e9  # s since the Unix epoch: after anything that a test installs


def process(
    directory: str, *arguments: str, pid: int = 7, started: float = 1.0, environment: dict[str, str] | None = None
) -> OpenCodeProcess:
    return OpenCodeProcess(pid, started, directory, arguments, Path("/data"), environment=environment or {})


ALL = (
    installation.settings, installation.token, installation.plugin, installation.opencode, installation.port,
    connections.connections, desktop.tray_host, desktop.notifications, desktop.duplicates, network.servers,
    network.clocks,
)  # fmt: skip


def test_where_all_is_well_nothing_is_found(scene: DoctorContext) -> None:
    assert [finding for check in ALL for finding in found(check, scene)] == []
    assert summary(finding for check in ALL for finding in check(scene)) == "Everything is in order."


def test_what_is_broken_comes_first_in_the_summary(scene: DoctorContext) -> None:
    poor = replace(scene, tray_host=TrayHost(), settings_problem="icon.style = 7 is not allowed")
    told = summary(f for check in (desktop.tray_host, installation.settings) for f in check(poor)).splitlines()
    assert told[0].startswith("icon.style = 7 is not allowed")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
def test_files_that_others_can_read_are_found_and_closed(scene: DoctorContext) -> None:
    scene.paths.token.chmod(0o640)
    finding = only(installation.token, scene)
    assert (finding.level, "chmod 600" in finding.fix) == (Level.BROKEN, True)
    assert mend([finding]) != []
    assert found(installation.token, scene) == []
    scene.paths.servers.mkdir()
    record = scene.paths.servers / "4096.json"
    record.write_text("{}", encoding="utf-8")
    record.chmod(0o644)
    mend([only(installation.token, scene)])
    assert found(installation.token, scene) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("[listener]\nport = 41001\n", False),
        ('[[servers]]\nurl = "http://a:1"\npassword_env = "PASSWORD"\n', False),
        ('[[servers]]\nurl = "http://a:1"\npassword = "x"\n', True),
        ('servers = [{url = "http://a:1", "password"="x"}]\n', True),
        ('# password = "an old one"\n', True),
    ],
)
def test_settings_that_others_can_read_are_a_fault_only_with_a_secret_in_them(
    scene: DoctorContext, text: str, is_secret: bool
) -> None:
    scene.paths.settings.write_text(text, encoding="utf-8")
    scene.paths.settings.chmod(0o644)
    assert bool(found(installation.token, scene)) == is_secret


def test_a_plugin_that_is_missing_or_another_version_is_mended(scene: DoctorContext) -> None:
    for text in ("", "// OpenCode Tray's plugin"):
        scene.paths.plugin.unlink()
        if text:
            scene.paths.plugin.write_text(text, encoding="utf-8")
        finding = only(installation.plugin, scene)
        assert finding.level is Level.BROKEN
        mend([finding])
        assert found(installation.plugin, scene) == []


def test_what_cannot_be_mended_is_said_and_stops_nothing(scene: DoctorContext) -> None:
    scene.paths.plugin.write_text("somebody else's", encoding="utf-8")
    finding = only(installation.plugin, scene)
    assert "not mended" in mend([finding])[0]


def told_of(scene: DoctorContext, *running: OpenCodeProcess) -> str:
    return only(connections.connections, replace(scene, processes=list(running))).told


def test_an_opencode_is_said_to_have_no_plugin_only_where_that_is_known(scene: DoctorContext) -> None:
    assert "/srv/a (process 7) was started before the plugin" in told_of(scene, process("/srv/a"))
    assert "without plugins" in told_of(scene, process("/srv/a", "--pure", started=LATER))
    assert "not connected to the tray at 127.0.0.1:41235" in told_of(scene, process("/srv/a", started=LATER))
    scene.paths.plugin.unlink()
    finding = only(connections.connections, replace(scene, processes=[process("/srv/a", started=LATER)]))
    assert "has not loaded the plugin, which is not installed" in finding.told
    assert "opencode-tray install-plugin" in finding.fix


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"OPENCODE_MONITOR_PORT": "41001"}, "its OPENCODE_MONITOR_PORT is 41001"),
        ({"OPENCODE_MONITOR_HOST": "far.example"}, "its OPENCODE_MONITOR_HOST is far.example"),
        ({"OPENCODE_MONITOR_TOKEN": "secret"}, "its OPENCODE_MONITOR_TOKEN is not the one"),
        ({"XDG_DATA_HOME": "/elsewhere"}, "its XDG_DATA_HOME is not the one"),
        ({"OPENCODE_PURE": "1"}, "without plugins"),
        ({"OPENCODE_MONITOR_PORT": "41235", "OPENCODE_MONITOR_HOST": "far.example,127.0.0.1"}, "41235"),
        ({}, "41235"),
    ],
)
def test_the_likely_reason_why_a_plugin_is_not_connected_is_said(
    scene: DoctorContext, tmp_path: Path, environment: dict[str, str], word: str
) -> None:
    config = tmp_path / "config"
    install_plugin(config / "plugin" / scene.paths.plugin.name)
    there = {"OPENCODE_CONFIG_DIR": str(config), **environment}
    told = told_of(scene, process("/srv/a", started=LATER, environment=there))
    assert word in told
    assert "secret" not in told
    assert ("its " in told) == ("its " in word)


def test_an_opencode_with_a_configuration_of_its_own_is_told_where_its_plugin_belongs(
    scene: DoctorContext, tmp_path: Path
) -> None:
    there = {"OPENCODE_CONFIG_DIR": str(tmp_path / "own"), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    running = process("/srv/a", started=LATER, environment=there)
    finding = only(connections.connections, replace(scene, processes=[running]))
    assert "not installed for it" in finding.told
    assert f"OPENCODE_CONFIG_DIR={tmp_path / 'own'} opencode-tray install-plugin" in finding.fix


def test_who_is_connected_and_who_waits_to_be_connected_to_is_not_accused(scene: DoctorContext) -> None:
    running = replace(scene, processes=[process("/srv/a"), process("/srv/b", "serve", pid=8)])
    plugin = {**HTTP, "source": "plugin", "host": running.host, "pid": 7, "plugin": "", "directory": "/srv/a"}
    told = replace(running, report={"servers": [plugin]})
    assert found(connections.connections, told) == []
    assert [finding.told for finding in connections.connections(told)] == ["1 OpenCode reports by plugin"]


def test_another_version_of_the_plugin_elsewhere_is_named(scene: DoctorContext) -> None:
    told = {**HTTP, "source": "plugin", "host": "far", "pid": 7, "plugin": "0.0.1", "directory": "/srv"}
    assert "far runs plugin 0.0.1" in only(connections.connections, replace(scene, report={"servers": [told]})).told


@pytest.mark.parametrize(("version", "word"), [("1.14.41", "takes no answers"), ("1.0.185", "no message")])
def test_what_an_old_opencode_cannot_do_is_said(scene: DoctorContext, version: str, word: str) -> None:
    report = {"servers": [{**HTTP, "opencode": version}]}
    assert word in only(installation.opencode, replace(scene, report=report)).told


def test_without_a_tray_only_a_port_that_was_asked_for_and_is_taken_is_a_fault(scene: DoctorContext) -> None:
    alone = replace(scene, report=None)
    assert only(installation.port, replace(alone, holder=None)).level is Level.NOTE
    assert only(installation.port, alone).level is Level.NOTE
    asked = replace(alone, settings=parse_settings({"listener": {"port": 41235}}, "file", {}, {}))
    assert only(installation.port, asked).level is Level.BROKEN


def test_where_the_tray_really_listens_is_told_and_that_the_settings_say_otherwise_by_now(scene: DoctorContext) -> None:
    moved = replace(scene, address=Address("127.0.0.1", 41001))
    assert [finding.told for finding in installation.port(moved)] == ["the tray listens on 127.0.0.1:41001"]
    settings = parse_settings({"listener": {"port": 41002}}, "settings.toml", {}, {})
    finding = only(installation.port, replace(moved, settings=settings))
    assert "port 41001, and port 41002 is set (settings.toml)" in finding.told


def test_a_variable_that_leads_past_the_running_tray_is_named(scene: DoctorContext) -> None:
    write_endpoint(scene.paths.endpoint, Endpoint("127.0.0.1", 41001, os.getpid()))
    settings = parse_settings({}, "", {"OPENCODE_MONITOR_PORT": "5"}, {})
    finding = only(
        installation.port, replace(scene, report=None, settings=settings, address=Address("127.0.0.1", 5), holder=None)
    )
    assert "41001" in finding.told
    assert "OPENCODE_MONITOR_PORT" in finding.fix


def test_a_daemon_without_buttons_and_none_at_all(scene: DoctorContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    if sys.platform == "linux":
        assert "no buttons" in only(desktop.notifications, replace(scene, daemon=NotificationDaemon("plain"))).told
    assert only(desktop.notifications, replace(scene, daemon=None)).level is Level.BROKEN


@pytest.mark.parametrize(
    ("file", "text", "word"),
    [
        ("tui.json", '{"attention": {"sound": true, "enabled": true}}', "OpenCode notifies"),
        ("opencode.jsonc", '{ // mine\n "plugin": ["opencode-notifier@1", "other"] }', "opencode-notifier@1"),
        ("plugin/ding.js", "export const Ding = async ({ $ }) => ({ event: () => $`notify-send hi` })", "ding.js"),
    ],
)
def test_who_else_notifies_is_named(scene: DoctorContext, tmp_path: Path, file: str, text: str, word: str) -> None:
    path = tmp_path / "config" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert word in only(desktop.duplicates, scene).told


def test_quiet_plugins_and_settings_are_not_accused(scene: DoctorContext, tmp_path: Path) -> None:
    (tmp_path / "config/plugin").mkdir(parents=True)
    (tmp_path / "config/tui.json").write_text('{"attention": {"enabled": false}}', encoding="utf-8")
    (tmp_path / "config/opencode.json").write_text('{"plugin": ["x"], "model": "notifier/7"}', encoding="utf-8")
    (tmp_path / "config/plugin/a.js").write_text("export const A = async () => ({})", encoding="utf-8")
    install_plugin(tmp_path / "config/plugin/opencode-tray.js")
    assert found(desktop.duplicates, scene) == []


@pytest.mark.parametrize(
    ("server", "level", "word"),
    [
        (FoundServer("4096", "locked", directory="/w"), Level.BROKEN, "[[servers]]"),
        (FoundServer("4096", "silent", directory="/w"), Level.BROKEN, "serve stop 4096"),
        (FoundServer("4096", "ended", directory="/w"), Level.NOTE, "serve clean"),
    ],
)
def test_servers_that_are_not_well_are_named(
    scene: DoctorContext, server: FoundServer, level: Level, word: str
) -> None:
    finding = only(network.servers, replace(scene, servers=[server]))
    assert (finding.level, word in finding.fix) == (level, True)


def test_a_server_that_cannot_be_followed_says_why(scene: DoctorContext) -> None:
    report = {"servers": [{**HTTP, "problem": "the password is refused", "connected": False}]}
    assert "the password is refused" in only(network.servers, replace(scene, report=report)).told


@pytest.mark.parametrize(("skew", "word"), [(90_000, "90 s ahead"), (-7_200_000, "7200 s behind")])
def test_clocks_that_differ_are_said(scene: DoctorContext, skew: int, word: str) -> None:
    report = {"servers": [{**HTTP, "clock_skew": skew}]}
    assert word in only(network.clocks, replace(scene, report=report)).told


def test_a_check_that_fails_is_a_finding_and_stops_no_other(scene: DoctorContext) -> None:
    def broken_check(_: DoctorContext) -> Iterator[Finding]:
        yield fine("first", "one thing was fine")
        raise IndexError("list index\nout of range")

    findings = check_all(scene, [broken_check, installation.token])
    assert [finding.check for finding in findings] == ["first", "broken check", "token"]
    assert findings[1].told == "“broken check” could not be checked: IndexError: list index out of range"
    assert (findings[1].level, bool(findings[1].fix)) == (Level.NOTE, True)


def test_what_cannot_be_looked_at_is_a_finding_and_hides_nothing_else(
    scene: DoctorContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise IndexError("no /proc here")

    monkeypatch.setattr(psutil, "process_iter", none)
    monkeypatch.setattr(psutil, "net_connections", none)
    findings = asyncio.run(examine(scene.paths, scene.environment, None))
    told = [finding.told for finding in findings]
    assert "which OpenCodes run could not be checked: IndexError: no /proc here" in told
    assert "who has the port could not be checked: IndexError: no /proc here" in told
    assert {"settings", "token", "plugin", "port", "tray host"} <= {finding.check for finding in findings}


def test_every_finding_is_a_plain_value_for_scripts(scene: DoctorContext) -> None:
    told: list[dict[str, Any]] = [finding.plain() for check in ALL for finding in check(scene)]
    assert all(set(one) == {"check", "level", "told", "fix", "fixable"} for one in told)
