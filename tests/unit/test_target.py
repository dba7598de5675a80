"""Each value that a server reports is one argument of a known program, or is refused."""

from __future__ import annotations

import base64
import shlex
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from replay import SERVER
from tray.actions.attach.target import Target, TargetError, is_local, is_web_address
from tray.core.servers import Server, Source
from tray.core.sessions import Session
from tray.system.own_host import own_host

ID = "ses_e0384e8b5ffe5JJE0hM1yBmZr8"


def session(name: str = ID, directory: str = "/home/dev/project") -> Session:
    return Session(name, SERVER.id, directory=directory)


def server(url: str | None = None) -> Server:
    return replace(SERVER, url=url)


def test_a_server_of_another_tray_is_not_local_whatever_host_it_names() -> None:
    own = replace(SERVER, host=socket.gethostname())
    assert is_local(own)
    assert not is_local(replace(own, source=Source.TEAM))


def test_the_sessions_of_this_machine_stay_local_while_it_is_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    here = replace(SERVER, host=own_host())
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    assert is_local(here)


def test_without_an_http_server_the_session_is_opened_in_its_directory() -> None:
    target = Target.of(session(), server())
    assert target.command("opencode") == ["opencode", "/home/dev/project", "--session", ID]
    assert target.page() is None


def test_with_an_http_server_the_session_is_attached_and_has_a_page() -> None:
    target = Target.of(session(), server("http://127.0.0.1:4096"))
    attach = ["opencode", "attach", "http://127.0.0.1:4096", "--session", ID, "--dir", "/home/dev/project"]
    assert target.command("opencode") == attach
    folder = base64.urlsafe_b64encode(b"/home/dev/project").decode().rstrip("=")
    assert target.page() == f"http://127.0.0.1:4096/{folder}/session/{ID}"


@pytest.mark.parametrize(
    "name", ["", "-x", "--session", "ses_1;rm -rf ~", "$(id)", "a b", "a\nb", "../x", "é", "a" * 200]
)
def test_an_invalid_session_id_is_refused(name: str) -> None:
    with pytest.raises(TargetError):
        Target.of(session(name), server())


@pytest.mark.parametrize("directory", ["relative", "-x", "--help", "~", "/a\nb", "/a\x1b[201~b", "/a\x00b", "$HOME"])
def test_a_directory_that_is_not_absolute_is_refused(directory: str) -> None:
    with pytest.raises(TargetError):
        Target.of(session(directory=directory), server())


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "file:///etc/passwd", "http://", "https://user:pw@host/", "http://host/ --eval", "ftp://x",
        "http://a\nb", "http://-oProxyCommand=x", "http://host:99999", "http://hőst", "http://host/?a=b", "http://host/#a",
    ],
)  # fmt: skip
def test_an_invalid_url_is_ignored(url: str) -> None:
    assert not is_web_address(url)
    assert Target.of(session(), server(url)).url is None


@given(st.text(max_size=60))
def test_any_directory_name_stays_one_argument_in_a_shell(name: str) -> None:
    try:
        target = Target.of(session(directory=f"/{name}"), server())
    except TargetError:
        return
    command = target.command("opencode")
    assert command == ["opencode", f"/{name}", "--session", ID]
    assert shlex.split(shlex.join(command)) == command


def test_a_loopback_url_of_another_machine_is_dropped() -> None:
    for url in (
        "http://127.0.0.1:4096",
        "http://localhost:4096",
        "http://[::1]:4096",
        "http://[::ffff:127.0.0.1]:4096",
    ):
        assert Target.of(session(), server(url)).for_remote().url is None
    assert Target.of(session(), server("http://192.0.2.7:4096")).for_remote().url == "http://192.0.2.7:4096"
