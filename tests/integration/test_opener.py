"""How a session is opened, with a fake terminal that records its job; unverified servers cannot open anything."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fake_programs import Programs
from replay import SERVER
from tray.actions.attach.opener import SessionOpener
from tray.core.servers import AgentKind, Server, Source
from tray.core.sessions import Session
from tray.core.settings import Settings, parse_settings
from tray.core.source_calls import CallError
from tray.system import terminals

if sys.platform != "linux":
    pytest.skip("the terminals of Linux", allow_module_level=True)

SES = "ses_1"
TERMINAL = """#!{python} -I
import json, os, sys
job = sys.argv[-1]
with open({log!r}, "a") as log:
    log.write(open(job).read() + "\\n")
os.unlink(job)
os.rmdir(os.path.dirname(job))
"""


class Desk:
    """A SessionOpener, a fake terminal that records the command that it would run, and a fake call to OpenCode."""

    def __init__(self, folder: Path) -> None:
        self.programs = Programs(folder / "bin")
        self._log = folder / "jobs"
        terminal = self.programs.folder / "xterm"
        terminal.write_text(TERMINAL.format(python=sys.executable, log=str(self._log)), encoding="utf-8")
        terminal.chmod(0o755)
        for name in ("opencode", "ssh"):
            self.programs.add(name)
        self.settings: Settings = parse_settings({}, "", {}, {})
        self.calls: list[str] = []
        self.opener = SessionOpener(lambda: self.settings, self._call)
        self.project = folder / "project"
        self.project.mkdir()

    async def _call(self, server_id: str, method: str, params: Any) -> Any:
        self.calls.append(method)
        raise CallError("no")

    def set(self, **tables: Any) -> None:
        self.settings = parse_settings(tables, "", {}, {})

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The jobs that terminals were started with."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    @property
    def here(self) -> Server:
        return replace(SERVER, host=socket.gethostname(), directory=str(self.project), pid=0, confirmed=True)

    @property
    def session(self) -> Session:
        return Session(SES, SERVER.id, directory=str(self.project))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs.folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-99")
    for name in ("TERMINAL", "DISPLAY", "SWAYSOCK", "BROWSER", "XDG_CURRENT_DESKTOP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(terminals, "START_TIMEOUT", 5.0)
    return made


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


def test_a_session_in_wsl_is_opened_there_without_a_shell(desk: Desk) -> None:
    program = "/home/zoë/.opencode/bin/opencode"
    server = replace(desk.here, host="pc (Ubuntu-24.04)", wsl="Ubuntu-24.04", opencode=program, directory="/srv/$(id)")
    session = replace(desk.session, directory="/srv/$(id)")
    words = ["--distribution", "Ubuntu-24.04", "--cd", "/srv/$(id)", "--exec", program, "/srv/$(id)", "--session", SES]
    result = run(desk.opener.open(session, server))
    assert (result.ok, "wsl.exe was not found" in result.message) == (False, True), "this is not Windows"
    desk.programs.add("wsl.exe")
    assert run(desk.opener.open(session, server)).message == "Opened in xterm"
    (job,) = desk.jobs
    assert job["command"] == ["wsl.exe", *words]
    desk.set(hosts=[{"name": "pc (Ubuntu-24.04)", "ssh": "me@wsl.example"}])
    assert run(desk.opener.open(desk.session, server)).message == "Opened on me@wsl.example in xterm"


@pytest.mark.parametrize(
    "fields", [{"wsl": "--shutdown"}, {"wsl": "a\nb"}, {"opencode": "opencode"}, {"opencode": "/bin/x\n"}]
)
def test_what_wsl_would_take_for_something_else_is_refused(desk: Desk, fields: dict[str, str]) -> None:
    desk.programs.add("wsl.exe")
    server = replace(desk.here, **{"host": "pc (x)", "wsl": "Ubuntu", "opencode": "/bin/opencode", **fields})
    result = run(desk.opener.open(desk.session, server))
    assert (result.ok, result.message.startswith("Not opened: "), desk.jobs) == (False, True, [])


def test_a_local_session_is_opened_in_a_new_terminal(desk: Desk) -> None:
    result = run(desk.opener.open(desk.session, desk.here))
    assert (result.ok, result.message) == (True, "Opened in xterm")
    (job,) = desk.jobs
    assert job["command"] == [str(desk.programs.folder / "opencode"), str(desk.project), "--session", SES]
    assert (job["folder"], job["environment"]) == (str(desk.project), {})


@pytest.mark.parametrize(
    ("kind", "fields", "command"),
    [
        (AgentKind.CLAUDE, {"connected": False}, ["claude", "--resume", SES]),
        (AgentKind.CLAUDE, {"job": "1ce53662"}, ["claude", "attach", "1ce53662"]),
        (AgentKind.COPILOT, {"connected": False}, ["copilot", f"--resume={SES}"]),
    ],
)
def test_an_ended_or_background_session_of_another_agent_is_opened_with_its_command(
    desk: Desk, kind: AgentKind, fields: dict[str, Any], command: list[str]
) -> None:
    desk.programs.add(command[0])
    result = run(desk.opener.open(desk.session, replace(desk.here, agent_kind=kind, **fields)))
    assert (result.ok, result.message) == (True, "Opened in xterm")
    (job,) = desk.jobs
    assert [Path(job["command"][0]).name, *job["command"][1:]] == command
    assert job["folder"] == str(desk.project)


def test_a_running_session_of_claude_code_is_not_resumed_a_second_time(desk: Desk) -> None:
    desk.programs.add("claude")
    result = run(desk.opener.open(desk.session, replace(desk.here, agent_kind=AgentKind.CLAUDE, pid=7)))
    assert (result.ok, "runs as process 7" in result.message, desk.jobs) == (False, True, [])


def test_a_session_of_codex_without_terminal_is_resumed_in_a_new_one_while_its_daemon_runs(desk: Desk) -> None:
    desk.programs.add("codex")
    server = replace(desk.here, agent_kind=AgentKind.CODEX, source=Source.AGENT, pid=7)
    result = run(desk.opener.open(desk.session, server))
    assert (result.ok, result.message) == (True, "Opened in xterm")
    (job,) = desk.jobs
    assert (Path(job["command"][0]).name, job["command"][1:]) == ("codex", ["resume", SES])


def test_without_opencode_the_result_names_the_setting_and_no_terminal_opens(desk: Desk) -> None:
    (desk.programs.folder / "opencode").unlink()
    result = run(desk.opener.open(desk.session, desk.here))
    assert (result.ok, "`attach.opencode` in the settings" in result.message) == (False, True)
    assert desk.jobs == []


def test_a_password_is_passed_only_for_the_url_that_it_is_configured_for(desk: Desk) -> None:
    desk.set(servers=[{"url": "http://localhost:4096/", "password": "pw"}])
    for url in ("http://127.0.0.1:4096", "http://127.0.0.1:4097", "http://127.0.0.1.evil.example:4096"):
        run(desk.opener.open(desk.session, replace(desk.here, url=url)))
    known, *others = desk.jobs
    assert known["environment"] == {"OPENCODE_SERVER_USERNAME": "opencode", "OPENCODE_SERVER_PASSWORD": "pw"}
    assert known["command"][1:3] == ["attach", "http://127.0.0.1:4096"]
    assert [job["environment"] for job in others] == [{}, {}]


def test_two_clicks_open_only_one_terminal(desk: Desk) -> None:
    async def test() -> None:
        both = await asyncio.gather(*(desk.opener.open(desk.session, desk.here) for _ in range(2)))
        assert {result.message for result in both} == {"Opened in xterm", "The session is already being opened"}

    run(test())
    assert len(desk.jobs) == 1


def test_a_remote_session_is_opened_over_ssh_with_the_configured_destination(desk: Desk) -> None:
    far = replace(desk.here, host="build-box", directory="/srv/app")
    session = Session(SES, SERVER.id, directory="/srv/app")
    unknown = run(desk.opener.open(session, far))
    assert (unknown.ok, "`[[hosts]]`" in unknown.message) == (False, True)
    assert desk.jobs == []
    desk.set(hosts=[{"name": "build-box", "ssh": "me@build.example"}])
    assert run(desk.opener.open(session, far)).message == "Opened on me@build.example in xterm"
    (job,) = desk.jobs
    assert job["command"] == ["ssh", "-t", "--", "me@build.example", "opencode", "/srv/app", "--session", SES]


def test_a_session_behind_a_tunnel_is_opened_on_its_own_machine_whatever_name_that_reports(desk: Desk) -> None:
    desk.set(hosts=[{"name": "build-box", "ssh": "me@build.example"}])
    session = Session(SES, SERVER.id, directory="/srv/app")
    for host in ("build-box", desk.here.host):
        far = replace(desk.here, host=host, directory="/srv/app", ssh="me@far.example", opencode="/opt/opencode")
        assert run(desk.opener.open(session, far)).message == "Opened on me@far.example in xterm"
    expected = ["ssh", "-t", "--", "me@far.example", "/opt/opencode", "/srv/app", "--session", SES]
    assert [job["command"] for job in desk.jobs] == [expected, expected]


@pytest.mark.parametrize("directory", ["/srv/my app", "/srv/$(id)", "/srv/a;b", "/srv/'x'"])
def test_a_directory_that_the_remote_shell_would_misinterpret_is_not_sent(desk: Desk, directory: str) -> None:
    desk.set(hosts=[{"name": "build-box", "ssh": "build.example"}])
    session = Session(SES, SERVER.id, directory=directory)
    result = run(desk.opener.open(session, replace(desk.here, host="build-box", directory=directory)))
    assert not result.ok
    assert desk.jobs == []


@pytest.mark.parametrize("host", ["-oProxyCommand=touch pwned", "a b", "a;b", "$(id)", "a\nb", ""])
def test_an_invalid_host_name_is_not_part_of_a_command(desk: Desk, host: str) -> None:
    far = replace(desk.here, host=host or "-x")
    for command in (desk.opener.open, desk.opener.copy_command, desk.opener.open_in_browser):
        result = run(command(desk.session, far))
        assert not result.ok
        assert "ssh" not in result.message
    assert desk.jobs == []


@pytest.mark.parametrize(
    ("source", "why"),
    [(Source.PLUGIN, "its plugin does not have the token"), (Source.HTTP, "it was found on the network")],
)
def test_nothing_is_opened_for_an_unverified_server(desk: Desk, source: Source, why: str) -> None:
    """Any local process can claim to be an OpenCode of this user in a directory of its choice."""
    unverified = replace(desk.here, verified=False, url="http://127.0.0.1:1", source=source)
    for command in (desk.opener.open, desk.opener.copy_command, desk.opener.open_in_browser):
        result = run(command(desk.session, unverified))
        assert not result.ok
        assert result.message.startswith(f"This session is read-only ({why}")
    assert desk.jobs == []
    assert desk.calls == []


def test_a_reused_pid_is_not_taken_for_the_session(desk: Desk) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        for server in (replace(desk.here, pid=other.pid), replace(desk.here, pid=other.pid, connected=False)):
            assert run(desk.opener.open(desk.session, server)).message == "Opened in xterm"
        other.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_the_message_names_the_failure_and_then_the_command_to_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY")
    result = run(desk.opener.open_in_browser(desk.session, replace(desk.here, url="http://127.0.0.1:4096")))
    assert re.match(r"No browser could be opened\. (The command that opens it|Run: opencode attach)", result.message), (
        result
    )
    result = run(desk.opener.open_in_browser(desk.session, desk.here))
    assert result.message.startswith("Its OpenCode has no web page. ")


@pytest.mark.parametrize("directory", ["/no/such/folder", f"/{'x' * 300}"])
def test_a_missing_directory_is_reported(desk: Desk, directory: str) -> None:
    session = Session(SES, SERVER.id, directory=directory)
    result = run(desk.opener.open(session, replace(desk.here, directory=directory)))
    assert (result.ok, "no longer exists" in result.message) == (False, True)


@pytest.mark.parametrize("url", [f"http://{'a' * 64}.example", "http://a..b", "http://192.0.2.1:1"])
def test_an_unreachable_url_does_not_block_the_command(desk: Desk, url: str) -> None:
    result = run(desk.opener.open(desk.session, replace(desk.here, host="build-box", url=url)))
    assert not result.ok or "web page" in result.message
