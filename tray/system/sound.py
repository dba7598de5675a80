"""A short sound and a spoken line, through whatever the platform has; never waits longer than TIMEOUT."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

TIMEOUT = 10.0  # s; a player that hangs (no sound server) is ended

PLAYERS: dict[str, Sequence[Sequence[str]]] = {
    "linux": (("pw-play",), ("paplay",), ("aplay", "-q")),
    "darwin": (("afplay",),),
}
_SPEAK_INPUT = (
    "Add-Type -AssemblyName System.Speech; "
    "(New-Object System.Speech.Synthesis.SpeechSynthesizer).Speak([Console]::In.ReadToEnd())"
)
SPEAKERS: dict[str, Sequence[Sequence[str]]] = {
    "linux": (("spd-say", "--wait", "--"), ("espeak-ng", "--"), ("espeak", "--")),
    "darwin": (("say", "--"),),
    "win32": (("powershell", "-NoProfile", "-Command", _SPEAK_INPUT),),
}


async def play(file: Path, players: Sequence[Sequence[str]] | None = None) -> bool:
    """Play a WAV file with the first player that is there. False where nothing can, or it failed."""
    if sys.platform == "win32":
        import winsound  # noqa: PLC0415  # Windows alone has it

        winsound.PlaySound(str(file), winsound.SND_FILENAME | winsound.SND_ASYNC)
        return True
    return await _first(PLAYERS.get(sys.platform, ()) if players is None else players, [str(file)])


async def speak(text: str, speakers: Sequence[Sequence[str]] | None = None) -> bool:
    """Speak the text with the first voice that is there. False where nothing can, or it failed.

    The text is an argument behind `--`, or comes on standard input; it is never part of a command.
    """
    programs = SPEAKERS.get(sys.platform, ()) if speakers is None else speakers
    if sys.platform == "win32":
        return await _first(programs, [], text)
    return await _first(programs, [text])


async def _first(programs: Sequence[Sequence[str]], arguments: list[str], told: str = "") -> bool:
    found = next((command for command in programs if shutil.which(command[0])), None)
    if found is None:
        return False
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *found, *arguments, stdin=asyncio.subprocess.PIPE, stdout=quiet, stderr=quiet
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            await process.communicate(told.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
    return process.returncode == 0
