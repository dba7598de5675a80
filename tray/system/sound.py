"""Play a sound file or speak a line with the programs of the platform, for at most TIMEOUT."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tray.system.programs import NO_WINDOW, command_for

TIMEOUT = 10.0  # s; a player without a sound server hangs, and is killed then

PLAYERS: dict[str, Sequence[Sequence[str]]] = {
    "linux": (("pw-play",), ("paplay",), ("aplay", "-q")),
    "darwin": (("afplay",),),
}
_SPEAK_INPUT = (
    "Add-Type -AssemblyName System.Speech; "
    "(New-Object System.Speech.Synthesis.SpeechSynthesizer).Speak([Console]::In.ReadToEnd())"
)
SPEAKERS: dict[str, Sequence[Sequence[str]]] = {
    "linux": (("spd-say", "--wait", "--pipe-mode"), ("espeak-ng", "--stdin"), ("espeak", "--stdin")),
    "darwin": (("say", "-f", "-"),),
    "win32": (("powershell", "-NoProfile", "-Command", _SPEAK_INPUT),),
}


async def play(file: Path, players: Sequence[Sequence[str]] | None = None) -> bool:
    """Play a WAV file with the first installed player. Returns False if there is none or it fails."""
    if sys.platform == "win32":
        import winsound  # noqa: PLC0415  # Windows only

        winsound.PlaySound(str(file), winsound.SND_FILENAME | winsound.SND_ASYNC)
        return True
    return await _run_first(PLAYERS.get(sys.platform, ()) if players is None else players, [str(file)])


async def speak(text: str, speakers: Sequence[Sequence[str]] | None = None) -> bool:
    """Speak the text with the first installed speech program. Returns False if there is none or it fails.

    The text is standard input: every user of the machine can read the arguments of a program. spd-say takes a line that
    begins with `!-!` for a command.
    """
    programs = SPEAKERS.get(sys.platform, ()) if speakers is None else speakers
    return await _run_first(programs, [], f" {' '.join(text.split())}")


async def _run_first(programs: Sequence[Sequence[str]], arguments: list[str], stdin: str = "") -> bool:
    program = next((command for command in programs if shutil.which(command[0])), None)
    if program is None:
        return False
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command_for([*program, *arguments]),
        stdin=asyncio.subprocess.PIPE,
        stdout=quiet,
        stderr=quiet,
        creationflags=NO_WINDOW,
    )
    try:
        async with asyncio.timeout(TIMEOUT):
            await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
    return process.returncode == 0
