"""*Pair a phone…* shows the QR code in a window, from a file that only the user can read and that does not stay."""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import segno
from PIL import Image

from fake_programs import Programs
from tray.core.commands import OpenTunnel, ShowPhoneCode
from tray.core.phone_ways import NOTES, PhoneAddress, Way
from tray.surfaces.phone_picture import MODULE, phone_picture
from tray.surfaces.qr_code import BORDER
from tunnel_programs import TunnelPrograms
from waiting import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fake programs are those of Linux")

ADDRESS = "https://quiet-river-1234.trycloudflare.com/#c=Zk3Jp0c2Rb7Q2u1X9wYtVA"


@pytest.mark.parametrize("address", [ADDRESS, "http://192.168.1.23:41236/#c=Zk3Jp0c2Rb7Q2u1X9wYtVA"])
def test_the_picture_holds_the_code_with_its_border(address: str) -> None:
    shown = PhoneAddress(address, Way.TUNNEL, NOTES[Way.TUNNEL], "K7QM-2XPD")
    picture = Image.open(io.BytesIO(phone_picture(shown))).convert("L")
    rows = [list(row) for row in segno.make(address, error="l").matrix_iter(border=BORDER)]
    dark = picture.point(lambda value: 255 if value < 128 else 0)
    found = dark.crop((0, 0, picture.width, len(rows) * MODULE)).getbbox()  # the code begins with its corners
    assert found is not None
    left, top = found[0] - BORDER * MODULE, found[1] - BORDER * MODULE
    for y, row in enumerate(rows):
        for x, is_dark in enumerate(row):
            middle = left + x * MODULE + MODULE // 2, top + y * MODULE + MODULE // 2
            assert bool(dark.getpixel(middle)) == bool(is_dark), (x, y)


@pytest.fixture
def with_tunnel(at_work: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    folder = TunnelPrograms(tmp_path / "bin").folder
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DISPLAY", ":99")
    return at_work


@pytest.mark.parametrize("viewers", [("kdialog", "yad", "xdg-open"), ("yad", "xdg-open"), ("xdg-open",)])
def test_a_dialog_program_is_preferred_to_a_viewer(
    with_tunnel: Callable[[], Any], tmp_path: Path, viewers: tuple[str, ...]
) -> None:
    programs = Programs(tmp_path / "bin")
    for name in viewers:
        programs.add(name)

    async def test() -> None:
        async with with_tunnel() as (running, _):
            assert (await running.choose(OpenTunnel())).ok
            shown = await running.choose(ShowPhoneCode())
            assert shown.ok, shown.message
            ((name, *_, path),) = programs.calls
            assert (name, path) == (viewers[0], str(running.paths.phone_code))
            assert stat.S_IMODE(running.paths.phone_code.stat().st_mode) == 0o600
            assert (await running.choose(ShowPhoneCode())).ok
            assert exists(running.paths.phone_code)
        assert not exists(running.paths.phone_code)

    run(test())


def exists(path: Path) -> bool:
    return path.exists()


def test_without_a_viewer_the_result_names_the_command_for_a_terminal(with_tunnel: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_tunnel() as (running, _):
            assert (await running.choose(OpenTunnel())).ok
            shown = await running.choose(ShowPhoneCode())
            assert (shown.ok, "In a terminal: opencode-tray phone" in shown.message) == (False, True)

    run(test())


def test_without_a_way_the_result_says_how_to_open_one(with_tunnel: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_tunnel() as (running, _):
            shown = await running.choose(ShowPhoneCode())
            assert (shown.ok, "--tailscale or --tunnel" in shown.message) == (False, True)

    run(test())
