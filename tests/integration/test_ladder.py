"""Which way is taken, with a terminal that writes down what it is given; and that nobody's word opens more."""

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
from tray.core.model import Server, Session, Source
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
    """A ladder, a terminal that runs nothing but tells what it would have, and a call that is remembered."""

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
        self.ladder = SessionOpener(lambda: self.settings, self._call)
        self.project = folder / "project"
        self.project.mkdir()

    async def _call(self, server_id: str, method: str, params: Any) -> Any:
        self.calls.append(method)
        raise CallError("no")

    def set(self, **tables: Any) -> None:
        self.settings = parse_settings(tables, "", {}, {})

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """What terminals were asked to run."""
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


def test_a_session_here_is_opened_in_a_new_terminal(desk: Desk) -> None:
    done = run(desk.ladder.go(desk.session, desk.here))
    assert (done.ok, done.message) == (True, "Opened it in xterm")
    (job,) = desk.jobs
    assert job["command"] == [str(desk.programs.folder / "opencode"), str(desk.project), "--session", SES]
    assert (job["folder"], job["environment"]) == (str(desk.project), {})


def test_without_opencode_no_terminal_is_opened_and_it_is_said(desk: Desk) -> None:
    (desk.programs.folder / "opencode").unlink()
    done = run(desk.ladder.go(desk.session, desk.here))
    assert (done.ok, "`attach.opencode` in the settings" in done.message) == (False, True)
    assert desk.jobs == []


def test_the_password_goes_to_the_address_that_it_is_set_for_alone(desk: Desk) -> None:
    desk.set(servers=[{"url": "http://localhost:4096/", "password": "pw"}])
    for url in ("http://127.0.0.1:4096", "http://127.0.0.1:4097", "http://127.0.0.1.evil.example:4096"):
        run(desk.ladder.go(desk.session, replace(desk.here, url=url)))
    known, *others = desk.jobs
    assert known["environment"] == {"OPENCODE_SERVER_USERNAME": "opencode", "OPENCODE_SERVER_PASSWORD": "pw"}
    assert known["command"][1:3] == ["attach", "http://127.0.0.1:4096"]
    assert [job["environment"] for job in others] == [{}, {}]


def test_two_clicks_open_one_terminal(desk: Desk) -> None:
    async def test() -> None:
        both = await asyncio.gather(*(desk.ladder.go(desk.session, desk.here) for _ in range(2)))
        assert {done.message for done in both} == {"Opened it in xterm", "The session is already being opened"}

    run(test())
    assert len(desk.jobs) == 1


def test_a_session_of_another_machine_is_opened_there_over_ssh_as_the_settings_say(desk: Desk) -> None:
    far = replace(desk.here, host="build-box", directory="/srv/app")
    session = Session(SES, SERVER.id, directory="/srv/app")
    unknown = run(desk.ladder.go(session, far))
    assert (unknown.ok, "`[[hosts]]`" in unknown.message) == (False, True)
    assert desk.jobs == []
    desk.set(hosts=[{"name": "build-box", "ssh": "me@build.example"}])
    assert run(desk.ladder.go(session, far)).message == "Opened it on me@build.example in xterm"
    (job,) = desk.jobs
    assert job["command"] == ["ssh", "-t", "--", "me@build.example", "opencode", "/srv/app", "--session", SES]


@pytest.mark.parametrize("directory", ["/srv/my app", "/srv/$(id)", "/srv/a;b", "/srv/'x'"])
def test_what_a_shell_over_there_would_read_otherwise_is_not_sent_to_it(desk: Desk, directory: str) -> None:
    desk.set(hosts=[{"name": "build-box", "ssh": "build.example"}])
    session = Session(SES, SERVER.id, directory=directory)
    done = run(desk.ladder.go(session, replace(desk.here, host="build-box", directory=directory)))
    assert not done.ok
    assert desk.jobs == []


@pytest.mark.parametrize("host", ["-oProxyCommand=touch pwned", "a b", "a;b", "$(id)", "a\nb", ""])
def test_a_name_of_a_machine_that_is_none_is_in_no_command(desk: Desk, host: str) -> None:
    far = replace(desk.here, host=host or "-x")
    for way in (desk.ladder.go, desk.ladder.copy_command, desk.ladder.browse):
        done = run(way(desk.session, far))
        assert not done.ok
        assert "ssh" not in done.message
    assert desk.jobs == []


@pytest.mark.parametrize(
    ("source", "why"),
    [(Source.PLUGIN, "its plugin does not have the token"), (Source.HTTP, "it was found on the network")],
)
def test_whoever_has_proven_nothing_makes_a_click_open_nothing(desk: Desk, source: Source, why: str) -> None:
    """Anybody on this machine can say that they are an OpenCode of ours in a folder of theirs."""
    stranger = replace(desk.here, verified=False, url="http://127.0.0.1:1", source=source)
    for way in (desk.ladder.go, desk.ladder.copy_command, desk.ladder.browse):
        done = run(way(desk.session, stranger))
        assert not done.ok
        assert done.message.startswith(f"This session is read-only ({why}")
    assert desk.jobs == []
    assert desk.calls == []


def test_a_pid_that_is_somebody_elses_by_now_is_not_gone_to(desk: Desk) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        for server in (replace(desk.here, pid=other.pid), replace(desk.here, pid=other.pid, connected=False)):
            assert run(desk.ladder.go(desk.session, server)).message == "Opened it in xterm"
        other.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_what_failed_comes_first_and_then_what_to_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY")
    done = run(desk.ladder.browse(desk.session, replace(desk.here, url="http://127.0.0.1:4096")))
    assert re.match(r"No browser could be opened\. (The command that opens it|Run: opencode attach)", done.message), (
        done
    )
    done = run(desk.ladder.browse(desk.session, desk.here))
    assert done.message.startswith("Its OpenCode has no web page. ")


@pytest.mark.parametrize("directory", ["/no/such/folder", f"/{'x' * 300}"])
def test_a_directory_that_is_not_there_is_said(desk: Desk, directory: str) -> None:
    session = Session(SES, SERVER.id, directory=directory)
    done = run(desk.ladder.go(session, replace(desk.here, directory=directory)))
    assert (done.ok, "no longer exists" in done.message) == (False, True)


@pytest.mark.parametrize("url", [f"http://{'a' * 64}.example", "http://a..b", "http://192.0.2.1:1"])
def test_an_address_that_nobody_answers_at_is_not_waited_for(desk: Desk, url: str) -> None:
    done = run(desk.ladder.go(desk.session, replace(desk.here, host="build-box", url=url)))
    assert not done.ok or "web page" in done.message
