"""The window with the QR code for a phone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tray.core.errors import UserError
from tray.core.pairing import CODE_LIFETIME
from tray.core.phone_ways import PhoneAddress
from tray.files.writing import write_privately
from tray.system.picture_window import show_picture
from tray.system.tasks import TaskSet


class PhoneCode:
    """Draws the code into a file that only the user can read. The file lives as long as the code."""

    def __init__(self, path: Path, tasks: TaskSet) -> None:
        self._path = path
        self._tasks = tasks
        self._removal: asyncio.Task[None] | None = None

    async def show(self, address: PhoneAddress) -> None:
        """Show a window with the code. Raises UserError if there is no program for that."""
        from tray.surfaces.phone_picture import phone_picture  # noqa: PLC0415  # few users ever pair a phone

        picture = await asyncio.to_thread(phone_picture, address)
        if self._removal is not None:  # of the picture before
            self._removal.cancel()
            await asyncio.wait([self._removal])
        try:
            await asyncio.to_thread(write_privately, self._path, picture)
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror}") from error
        self._removal = self._tasks.spawn(self._remove_later(), "picture of the code")
        if not await show_picture(self._path):
            raise UserError("No program that shows pictures was found. In a terminal: opencode-tray phone")

    async def _remove_later(self) -> None:
        try:
            await asyncio.sleep(CODE_LIFETIME / 1000)
        finally:
            self._path.unlink(missing_ok=True)
