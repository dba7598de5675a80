"""The page in the user's tailnet: an entry of `tailscale serve`, which is made by a command and undone at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tray.core.errors import UserError
from tray.storage.tailnet_entry import TailnetEntry, read_entry, remove_entry, write_entry
from tray.system import tailscale
from tray.system.tailscale import TailscaleError

log = logging.getLogger(__name__)

IN_USE = f"port {tailscale.PORT} of tailscale serve is in use, so nothing was changed"


class Tailnet:
    """Lives on the event loop's thread. Entries that the user has made are never changed."""

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        """`path` is that of a file that survives the tray; `changed` is called after each change."""
        self._path = path
        self._changed = changed
        self._changing = asyncio.Lock()
        self._entry: TailnetEntry | None = None  # of this run: the file may be damaged meanwhile
        self.host = ""  # the name under which the tailnet reaches the page; "" if it does not

    async def undo_previous(self) -> str:
        """Undo what a tray that was killed has left behind. Return the problem, or ""."""
        async with self._changing:
            if self.host:
                return ""
            try:
                entry = await asyncio.to_thread(read_entry, self._path)
                if entry is not None:
                    await self._undo(entry)
            except (UserError, OSError) as error:
                return f"the page may still be in your tailnet, from the last run of the tray: {error}"
            return ""

    async def open(self, page_port: int) -> str:
        """Serve the page to the tailnet; return its host. Raises UserError."""
        async with self._changing:
            if self.host:
                return self.host
            name = await tailscale.own_name()
            if not await tailscale.is_port_free():
                raise TailscaleError(f"{IN_USE}; see: tailscale serve status")
            entry = TailnetEntry(name, page_port)
            try:
                await asyncio.to_thread(write_entry, self._path, entry)
            except OSError as error:
                raise UserError(f"cannot write {self._path}: {error.strerror}") from error
            try:
                await tailscale.serve(page_port)
                if not await tailscale.is_served(name, page_port):
                    raise TailscaleError("tailscale serve has made another entry; see: tailscale serve status")
            except BaseException:
                await asyncio.shield(self._undo(entry))
                raise
            self._entry, self.host = entry, name
            log.info("the page is served to the tailnet")
        self._changed()
        return name

    async def close(self) -> bool:
        """Undo the entry, and return whether there was one. After an error it can be tried again.

        Raises UserError, OSError.
        """
        async with self._changing:
            was_open, self.host = bool(self.host), ""
            try:
                entry = self._entry or await asyncio.to_thread(read_entry, self._path)
                if entry is not None:
                    await self._undo(entry)
                self._entry = None
            finally:
                if was_open:
                    self._changed()
        return was_open or entry is not None

    async def _undo(self, entry: TailnetEntry) -> None:
        """Remove the entry, unless it is not as it was made. Raises TailscaleError, OSError."""
        if await tailscale.is_served(entry.name, entry.page_port):
            await tailscale.turn_off()
            log.info("the page is not served to the tailnet any more")
        await asyncio.to_thread(remove_entry, self._path)
