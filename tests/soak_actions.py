"""What happens in the soak: each action changes the truth, and makes the same happen to the tray.

A seeded generator decides everything, from the truth alone: neither the time nor the tray changes which actions follow.
"""

from __future__ import annotations

import asyncio

from soak_faults import Faults
from soak_truth import Session
from waiting import until_async


class Actions(Faults):
    """All actions, and the order in which they follow."""

    ACTIONS = (
        ("new_session", 5), ("child", 3), ("begin", 12), ("step", 20), ("tool", 8), ("retry", 2), ("end", 8),
        ("delete", 3), ("by_command", 2), ("ask", 12), ("elsewhere", 4), ("answer", 9), ("late", 0.5),
        ("reconnect", 1.6), ("other_instance", 0.1), ("snapshot", 2), ("garbage", 1), ("stranger", 0.7),
        ("pause", 0.12), ("slow_reader", 0.3), ("page_again", 0.3), ("rotate_token", 0.03), ("hook", 5),
        ("command_line", 0.1),
    )  # fmt: skip

    async def act(self) -> None:
        """Carry out one action."""
        names, weights = zip(*self.ACTIONS, strict=True)
        name = self.rng.choices(names, weights)[0]
        self.log.append(f"{name} …")
        done = await getattr(self, name)()
        self.done[name] += bool(done)
        self.log[-1] = f"{name}: {done or 'nothing to do'}"
        if self.found:
            raise self.found[0]

    async def empty(self) -> None:
        """Return to the base: all plugins are connected, and there are no sessions."""
        await self.quiet()
        for link in self.links:
            if not link.agent.is_live:
                await link.connect(self.home.port, self.home.token)
            self._unsure_news(link.agent)
            self.note(*link.agent.sessions)
        for device in self.devices:
            await device.resume()
        for session in list(self.hooks):
            await self.end_hooks(session)
        await self.settle()
        for link in self.links:
            for session in list(link.agent.roots):
                await link.send(*self._remove(session))
        await self.settle()

    async def restart_tray(self) -> None:
        """Kill the tray in the middle of everything, and start it again."""
        await self.quiet()
        for session in list(self.hooks):
            await self.end_hooks(session)
        await asyncio.to_thread(self.home.kill)
        for link in self.links:
            await link.lost()
            self.note(*link.agent.sessions)
        if self.screen is not None:
            self.screen.desktop.notes.clear()  # the program that could withdraw them has ended
        self.notices.again()
        await asyncio.to_thread(self.home.start_tray)
        for session in self.sessions:
            session.is_muted, session.is_optional = False, True
            session.is_unsure = session.is_unsure or session.activity == "idle"
        await self.control.connect(self.home.port, self.home.token)
        await self.connect_all(again=True)
        for session in self.sessions:
            if session.parent is None:
                await until_async(lambda session=session: self._unmute(session), f"{session.name} after a restart")
        await self.settle()
        await asyncio.sleep(2.5)  # after a snapshot the tray reads what the history has missed

    async def _unmute(self, session: Session) -> bool:
        return bool((await self.control.call("unmute", scope="session", session=session.id)).get("ok"))
