"""Sounds are played by the first installed player; spoken text is never an option."""

from __future__ import annotations

import asyncio
import shutil
import sys
import wave
from pathlib import Path

import pytest

from tray.core.alerts import Reason
from tray.system import resources, sound

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows plays sounds with its own API")


def program(folder: Path, body: str) -> str:
    path = folder / "player"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_first_installed_player_plays_the_file(tmp_path: Path) -> None:
    player = program(tmp_path, f'echo "$@" > {tmp_path}/arguments')
    assert asyncio.run(sound.play(Path("cue.wav"), [("no-such-player-here",), (player, "-q")]))
    assert (tmp_path / "arguments").read_text(encoding="utf-8").strip() == "-q cue.wav"


def test_play_returns_false_without_a_player() -> None:
    assert not asyncio.run(sound.play(Path("cue.wav"), [("no-such-player-here",)]))


def test_play_returns_false_if_the_player_fails(tmp_path: Path) -> None:
    assert not asyncio.run(sound.play(Path("cue.wav"), [(program(tmp_path, "exit 3"),)]))


def test_spoken_text_is_neither_an_argument_nor_a_command(tmp_path: Path) -> None:
    """Every user of the machine sees arguments, and spd-say takes a line that begins with `!-!` for a command."""
    voice = program(tmp_path, f'printf "%s|" "$@" > {tmp_path}/arguments; cat > {tmp_path}/input')
    assert asyncio.run(sound.speak("!-!SET\n!-!QUIT; $(reboot)", [(voice, "--stdin")]))
    assert (tmp_path / "arguments").read_text(encoding="utf-8") == "--stdin|"
    assert (tmp_path / "input").read_text(encoding="utf-8") == " !-!SET !-!QUIT; $(reboot)"


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_reads_options_in_the_text_aloud(tmp_path: Path) -> None:
    spoken, written = tmp_path / "spoken.wav", tmp_path / "written.wav"
    assert asyncio.run(sound.speak(f"-w {written}", [("espeak-ng", "--stdin", "-w", str(spoken))]))
    assert spoken.stat().st_size > 1000
    assert not written.exists()


@pytest.mark.parametrize("reason", [reason.value for reason in Reason])
def test_every_reason_has_a_short_quiet_sound(reason: str) -> None:
    with wave.open(str(resources.sound_file(reason)), "rb") as file:
        seconds = file.getnframes() / file.getframerate()
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    assert 0.1 < seconds < 0.5
    assert 3_000 < max(abs(sample) for sample in samples) < 20_000
