"""The page in a tailnet: exactly one entry of `tailscale serve`, undone at the end, also after kill -9."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fake_tailscale import NAME, STATUS, FakeTailscale, entry
from tray.app.tailnet import Tailnet
from tray.core.errors import UserError
from tray.system import tailscale as tailscale_program
from waiting import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a script")

PORT = 41236
TARGET = f"http://127.0.0.1:{PORT}"
OTHER_ENTRY = {"TCP": {"8443": {"HTTPS": True}}, "Web": {f"{NAME}:8443": {"Handlers": {"/": {"Text": "mine"}}}}}
SERVE, OFF = ["serve", "--bg", "--https=443", TARGET], ["serve", "--https=443", "off"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tailnet.json"


def record(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def is_recorded(file: Path) -> bool:
    return file.exists()


def made(file: Path) -> Tailnet:
    return Tailnet(file, lambda: None)


def test_one_entry_is_made_and_exactly_that_is_undone(tailscale: FakeTailscale, file: Path) -> None:
    tailscale.config = OTHER_ENTRY

    async def test() -> None:
        tailnet = made(file)
        assert await tailnet.open(PORT) == tailnet.host == NAME
        assert tailscale.config["Web"][f"{NAME}:443"] == {"Handlers": {"/": {"Proxy": TARGET}}}
        assert await tailnet.open(PORT) == NAME
        assert await tailnet.close()
        assert (tailnet.host, is_recorded(file), tailscale.config) == ("", False, OTHER_ENTRY)
        assert not await tailnet.close()
        assert tailscale.changes == [SERVE, OFF]

    run(test())


@pytest.mark.parametrize(
    "config",
    [
        entry("http://127.0.0.1:3000"),
        entry(TARGET),
        {"TCP": {"443": {"TCPForward": "127.0.0.1:22"}}},
        {"Foreground": {"session": entry("http://127.0.0.1:3000")}},
    ],
)
def test_an_entry_of_the_user_is_never_changed(tailscale: FakeTailscale, file: Path, config: dict[str, Any]) -> None:
    tailscale.config = config

    async def test() -> None:
        with pytest.raises(UserError, match="port 443 of tailscale serve is in use, so nothing was changed"):
            await made(file).open(PORT)
        assert (tailscale.config, tailscale.changes, is_recorded(file)) == (config, [], False)

    run(test())


def test_an_entry_that_the_user_changed_meanwhile_is_left_as_it_is(tailscale: FakeTailscale, file: Path) -> None:
    async def test() -> None:
        tailnet = made(file)
        await tailnet.open(PORT)
        tailscale.config = changed = entry("http://127.0.0.1:3000")
        assert await tailnet.close()
        assert (tailscale.config, is_recorded(file)) == (changed, False)

    run(test())


def test_what_a_killed_tray_left_behind_is_undone_at_the_next_start(tailscale: FakeTailscale, file: Path) -> None:
    async def test() -> None:
        await made(file).open(PORT)
        assert record(file) == {"name": NAME, "page_port": PORT}
        assert await made(file).undo_previous() == ""
        assert (tailscale.config["Web"], is_recorded(file)) == ({}, False)
        assert tailscale.changes == [SERVE, OFF]
        assert await made(file).undo_previous() == ""
        assert len(tailscale.changes) == 2

    run(test())


def test_what_cannot_be_undone_is_a_problem_and_is_tried_again(tailscale: FakeTailscale, file: Path) -> None:
    async def test() -> None:
        await made(file).open(PORT)
        tailscale.refuse("access denied: serve config denied")
        assert "access denied" in await made(file).undo_previous()
        assert is_recorded(file)
        tailscale.refuse("")
        assert await made(file).undo_previous() == ""
        assert not is_recorded(file)

    run(test())


def test_an_end_that_failed_can_be_tried_again(tailscale: FakeTailscale, file: Path) -> None:
    async def test() -> None:
        tailnet = made(file)
        await tailnet.open(PORT)
        tailscale.refuse("access denied: serve config denied")
        with pytest.raises(UserError, match="access denied"):
            await tailnet.close()
        assert (tailnet.host, is_recorded(file)) == ("", True)
        tailscale.refuse("")
        assert await tailnet.close()
        assert not is_recorded(file)
        assert not await tailnet.close()

    run(test())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"BackendState": "Stopped"}, "does not run"),
        ({"BackendState": "NeedsLogin", "Self": None, "CertDomains": None}, "NeedsLogin"),
        ({"CertDomains": None}, "HTTPS is off in this tailnet"),
        ({"CertDomains": "all"}, "something else than expected"),
    ],
)
def test_what_is_missing_is_said(tailscale: FakeTailscale, file: Path, changes: dict[str, Any], problem: str) -> None:
    tailscale.set_status({**STATUS, **changes})

    async def test() -> None:
        with pytest.raises(UserError, match=problem):
            await made(file).open(PORT)
        assert (tailscale.changes, is_recorded(file)) == ([], False)

    run(test())


def test_a_refusal_is_shown_in_the_words_of_tailscale(tailscale: FakeTailscale, file: Path) -> None:
    tailscale.refuse("access denied: serve config denied. Use 'sudo tailscale set --operator=$USER'")

    async def test() -> None:
        with pytest.raises(UserError, match=r"tailscale serve --bg .*: access denied.*--operator"):
            await made(file).open(PORT)
        assert not is_recorded(file)

    run(test())


def test_without_the_program_the_error_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    async def test() -> None:
        with pytest.raises(UserError, match="Tailscale is not installed"):
            await made(file).open(PORT)

    run(test())


def test_funnel_is_never_used() -> None:
    sources = (path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "tray").rglob("*.py"))
    assert not [text for text in sources if '"funnel"' in text]


def test_on_macos_the_program_is_found_outside_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    homebrew, app = tmp_path / "homebrew", tmp_path / "app"
    monkeypatch.setattr(tailscale_program, "MAC_PROGRAMS", (str(homebrew), str(app)))
    assert tailscale_program.program() == ""
    app.touch()
    assert tailscale_program.program() == str(app)
    homebrew.touch()
    assert tailscale_program.program() == str(homebrew)
