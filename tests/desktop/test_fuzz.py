"""100,000 random frames sent to the whole program with its icon: it stays responsive, and its state is right."""

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
from tray.core.lenient_json import replace_lone_surrogates
from tray.sources.plugin.connection import MAX_BAD_FRAMES
from tray.sources.protocol.events import FrameError, decode_event
from tray.sources.protocol.snapshot import decode_snapshot
from tray_process import Home
from waiting import until_async

pytestmark = pytest.mark.desktop

FRAMES = 100_000
WARM_UP = 20_000  # frames after which all tables have their maximum size
CHECK_EVERY = 5_000  # frames between two checks of the menu and the status report
ALLOWED_GROWTH = 12 * 2**20  # bytes that memory may grow by, of about 60 MB

FINAL_SNAPSHOT: dict[str, Any] = {
    "type": "snapshot",
    "sessions": [{"id": "ses_0", "title": "The first"}, {"id": "ses_1", "title": "Another"}],
    "status": {"ses_1": {"type": "busy"}},
    "permissions": [{"id": "per_true", "sessionID": "ses_0", "permission": "bash", "metadata": {"command": "ls"}}],
    "questions": [],
    "todos": {},
    "limits": {},
    "branch": "main",
}


async def attack(home: Home, desktop: FakeDesktop, process: psutil.Process) -> int:
    """Send all frames; return by how many bytes memory has grown since the warm-up."""
    fuzz, sent, warm = Fuzz(20261121), 0, 0
    while sent < FRAMES:
        async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
            await plugin.authenticate(home.token)
            plugin.answer_pings()
            bad = 0
            while sent < FRAMES and bad < MAX_BAD_FRAMES - 5:  # more would end the connection and lose frames
                frame = fuzz.frame()
                await plugin.send(frame)
                sent += 1
                bad += not is_accepted(frame)
                if sent % CHECK_EVERY == 0:
                    await check(home, desktop)
                    warm = warm or (process.memory_info().rss if sent >= WARM_UP else 0)
            assert not plugin.socket.closed
            await plugin.socket.close()
    return process.memory_info().rss - warm


def is_accepted(frame: str) -> bool:
    """Return whether the listener accepts the frame."""
    raw = replace_lone_surrogates(frame.encode())
    try:
        decode_snapshot("server", raw, 0) if raw.startswith(b"{") else decode_event("server", raw, 0)
    except FrameError:
        return False
    return raw.startswith((b"[", b'{"type": "snapshot"', b'{"type":"goodbye"}'))


async def check(home: Home, desktop: FakeDesktop) -> None:
    """Check that the program answers a command and a panel, and that every label is one line of plain text."""
    report = await asyncio.to_thread(home.status)
    assert report["attention"]["tooltip"]
    labels = [row.label for row in (await desktop.menu()).walk()]
    assert "Quit" in labels
    for label in labels:
        assert len(label) < 200
        assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in label)
        assert "\u202e" not in label


async def matches(home: Home) -> bool:
    """Return whether the status report shows exactly the final snapshot."""
    report = await asyncio.to_thread(home.status)
    (server,) = report["servers"]
    sessions = {s["id"]: (s["title"], s["status"], [r["detail"] for r in s["requests"]]) for s in report["sessions"]}
    expected = {"ses_0": ("The first", "waiting_for_permission", ["ls"]), "ses_1": ("Another", "busy", [])}
    if sessions != expected:
        return False
    assert (server["branch"], server["connected"]) == ("main", True)
    return True


def test_after_100_000_random_frames_state_is_correct_and_memory_has_not_grown(bus: PrivateBus, tmp_path: Path):
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start()
        home = Home(tmp_path)
        home.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address
        tray = await asyncio.to_thread(home.tray, headless=False)
        try:
            grown = await attack(home, desktop, psutil.Process(tray.pid))
            assert grown < ALLOWED_GROWTH
            async with connection(f"http://127.0.0.1:{home.port}/") as plugin:
                await plugin.authenticate(home.token)
                await plugin.send(FINAL_SNAPSHOT)
                await until_async(lambda: matches(home), "the state of the final snapshot")
            assert tray.poll() is None
        finally:
            home.stop()
            await desktop.stop()

    asyncio.run(test())
