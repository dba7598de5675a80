"""100,000 frames that nobody would send, to the whole program with its icon: it answers, and then tells the truth."""

from __future__ import annotations

import asyncio
import unicodedata
from pathlib import Path
from typing import Any

import psutil
import pytest

from fake_desktop import FakeDesktop, PrivateBus
from fakes import connection
from fuzz import Fuzz
from tray.opencode.lenient_json import replace_lone_surrogates
from tray.sources.plugin.connection import MAX_BAD_FRAMES
from tray.sources.protocol.events import FrameError, decode_event
from tray.sources.protocol.snapshot import decode_snapshot
from tray_process import Home

pytestmark = pytest.mark.desktop

FRAMES = 100_000
WARM = 20_000  # frames after which everything that is remembered is as large as it gets
LOOK_EVERY = 5_000  # frames between two looks at the menu and the report
FLAT = 12 * 2**20  # bytes that memory may differ by, of some 60 MB

TRUTH: dict[str, Any] = {
    "type": "snapshot",
    "sessions": [{"id": "ses_0", "title": "The truth"}, {"id": "ses_1", "title": "Another"}],
    "status": {"ses_1": {"type": "busy"}},
    "permissions": [{"id": "per_true", "sessionID": "ses_0", "permission": "bash", "metadata": {"command": "ls"}}],
    "questions": [],
    "todos": {},
    "limits": {},
    "branch": "main",
}


async def attack(home: Home, desktop: FakeDesktop, process: psutil.Process) -> int:
    """Send it all; returns by how much memory grew after it was warm."""
    fuzz, sent, warm = Fuzz(20261121), 0, 0
    while sent < FRAMES:
        async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
            await plugin.authenticate(home.token)
            plugin.answer_pings()
            bad = 0
            while sent < FRAMES and bad < MAX_BAD_FRAMES - 5:  # with more the link would be ended, and frames be lost
                frame = fuzz.frame()
                await plugin.send(frame)
                sent += 1
                bad += not is_read(frame)
                if sent % LOOK_EVERY == 0:
                    await look(home, desktop)
                    warm = warm or (process.memory_info().rss if sent >= WARM else 0)
            assert not plugin.socket.closed
            await plugin.socket.close()
    return process.memory_info().rss - warm


def is_read(frame: str) -> bool:
    """Whether the listener makes something of it."""
    raw = replace_lone_surrogates(frame.encode())
    try:
        decode_snapshot("server", raw, 0) if raw.startswith(b"{") else decode_event("server", raw, 0)
    except FrameError:
        return False
    return raw.startswith((b"[", b'{"type": "snapshot"', b'{"type":"goodbye"}'))


async def look(home: Home, desktop: FakeDesktop) -> None:
    """The program answers a command and a panel, and every label is one line of plain text."""
    report = await asyncio.to_thread(home.status)
    assert report["attention"]["tooltip"]
    labels = [row.label for row in (await desktop.menu()).walk()]
    assert "Quit" in labels
    for label in labels:
        assert len(label) < 200
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in label)
        assert "\u202e" not in label


def test_the_program_answers_its_memory_is_flat_and_in_the_end_it_tells_the_truth(bus: PrivateBus, tmp_path: Path):
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start()
        home = Home(tmp_path)
        home.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address
        tray = await asyncio.to_thread(home.tray, headless=False)
        try:
            grown = await attack(home, desktop, psutil.Process(tray.pid))
            assert grown < FLAT
            async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
                await plugin.authenticate(home.token)
                await plugin.send(TRUTH)
                await true(home)
            assert tray.poll() is None
        finally:
            home.stop()
            await desktop.stop()

    asyncio.run(test())


async def true(home: Home) -> None:
    """What is told of the one server is the snapshot, whatever was said before."""
    end = asyncio.get_running_loop().time() + 10
    while True:
        report = await asyncio.to_thread(home.status)
        told = {s["id"]: (s["title"], s["status"], [r["detail"] for r in s["requests"]]) for s in report["sessions"]}
        (server,) = report["servers"]
        if told == {"ses_0": ("The truth", "waiting_for_permission", ["ls"]), "ses_1": ("Another", "busy", [])}:
            assert (server["branch"], server["connected"]) == ("main", True)
            return
        assert asyncio.get_running_loop().time() < end, told
        await asyncio.sleep(0.05)
