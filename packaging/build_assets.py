#!/usr/bin/env python3
"""Build the generated files in `assets/`: the application's icon, the pictures of notifications, and the sounds.

Run it in an environment that has the project installed, after a change of the icon or of a sound.
"""

from __future__ import annotations

import math
import struct
import wave
from pathlib import Path

from tray.core.sessions import Status
from tray.surfaces.icon import draw
from tray.surfaces.menu.view import IconView

ASSETS = Path(__file__).resolve().parent.parent / "assets"
RATE = 22_050  # Hz
SOUNDS = {  # reason -> notes: frequency in Hz, start and length in s
    "permission": ((659.3, 0.0, 0.18), (880.0, 0.11, 0.24)),
    "question": ((587.3, 0.0, 0.16), (740.0, 0.09, 0.16), (880.0, 0.18, 0.2)),
    "error": ((311.1, 0.0, 0.2), (233.1, 0.13, 0.26)),
    "finished": ((784.0, 0.0, 0.16), (523.3, 0.1, 0.28)),
}
PICTURES = {  # reason -> the state whose icon the notification shows
    "permission": Status.WAITING_FOR_PERMISSION,
    "question": Status.WAITING_FOR_ANSWER,
    "error": Status.ERROR,
    "finished": Status.COMPLETED,
}
PICTURE_SIZE = 128  # px; notification daemons show 32 to 64, at twice the scale 128
ICO_SIZES = (256, 64, 48, 40, 32, 24, 20, 16)  # px; Windows shows 16 to 64, by place and scale
LOUDNESS = 0.28  # of full scale: a quiet cue


def sound(notes: tuple[tuple[float, float, float], ...]) -> bytes:
    """Return 16-bit mono samples of sine notes, each with a short attack and a long decay."""
    length = max(start + duration for _, start, duration in notes)
    samples = []
    for number in range(int(length * RATE)):
        at = number / RATE
        value = 0.0
        for frequency, start, duration in notes:
            passed = at - start
            if 0 <= passed < duration:
                envelope = min(1.0, passed / 0.012) * (1 - passed / duration) ** 2
                value += envelope * math.sin(2 * math.pi * frequency * passed)
        samples.append(int(max(-1.0, min(1.0, LOUDNESS * value)) * 32_767))
    return struct.pack(f"<{len(samples)}h", *samples)


def main() -> None:
    """Write every built file."""
    draw(IconView(Status.BUSY), 256).save(ASSETS / "opencode-tray.png", optimize=True)
    largest, *others = (draw(IconView(Status.BUSY), size) for size in ICO_SIZES)
    largest.save(ASSETS / "opencode-tray.ico", append_images=others, sizes=[(size, size) for size in ICO_SIZES])
    (ASSETS / "toasts").mkdir(exist_ok=True)
    for reason, status in PICTURES.items():
        picture = draw(IconView(status), PICTURE_SIZE)
        picture.save(ASSETS / "toasts" / f"{reason}.png", optimize=True)
    for reason, notes in SOUNDS.items():
        with wave.open(str(ASSETS / "sounds" / f"{reason}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(sound(notes))


if __name__ == "__main__":
    main()
