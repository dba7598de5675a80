"""Faults of the soak: connections, strangers, pauses, hooks of another agent, and another token."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from contextlib import suppress

from fakes import FRAMES, connection
from soak_clients import Hooks
from soak_fleet import AGENTS, BROWSERS, MATCH, Found
from soak_truth import Agent, Ask, Session
from soak_work import Work
from waiting import until_async


class Faults(Work):
    """What goes wrong while they work."""

    async def reconnect(self) -> str:
        """Let a plugin lose its connection, or connect again."""
        away = [link for link in self.links if not link.agent.is_live]
        link = self.rng.choice(away if away and self.rng.random() < 0.8 else self.links)
        agent = link.agent
        await self.quiet(agent)
        if not agent.is_live:
            how = "connects"
            await link.connect(self.home.port, self.home.token)
        else:
            how = self.rng.choice(("is cut off", "is cut off", "says goodbye", "closes", "connects twice"))
            match how:
                case "is cut off":
                    await link.cut()
                case "says goodbye":
                    await link.goodbye()
                case "closes":
                    await link.close()
                case _:
                    agent.is_live = False
                    self._unsure_news(agent)
                    self.note(*agent.sessions)
                    await link.connect(self.home.port, self.home.token)
        self._unsure_news(agent)
        self.note(*agent.sessions)
        return f"{agent.name} {how}"

    async def other_instance(self) -> str:
        """Let a plugin end, and another one start in its place."""
        link = self.rng.choice(self.links)
        await self.quiet(link.agent)
        for session in list(link.agent.roots):
            self._remove(session)
        before, said = link.agent.name, self.rng.random() < 0.8
        await (link.goodbye() if said else link.cut())
        self._numbers["a"] += 1
        link.agent = Agent(AGENTS + self._numbers["a"], self.ids)
        await link.connect(self.home.port, self.home.token)
        return f"{before} is replaced by {link.agent.name}, goodbye: {said}"

    async def snapshot(self) -> str:
        agent = self._agent()
        await self.quiet(agent)
        await self._tell(agent, [agent.snapshot])
        return f"{agent.name} snapshot"

    async def garbage(self) -> str:
        """Send frames that are not valid on a good connection."""
        agent = self._agent()
        frames = ["{", "[]", '["session.status"]', '{"type": "nothing"}', '["session.updated", {"info": 5}]', "\u0000"]
        chosen = [self.rng.choice(frames) for _ in range(self.rng.randrange(1, 4))]
        await self._tell(agent, chosen)
        return f"{agent.name} garbage {chosen}"

    async def stranger(self) -> str:
        """Let a program without the token, or that speaks another protocol, connect."""
        kind = self.rng.choice(("bytes", "half a request", "wrong token", "no hello"))
        url = f"http://127.0.0.1:{self.home.port}/"
        if kind in ("bytes", "half a request"):
            with socket.create_connection(("127.0.0.1", self.home.port), 5) as client:
                client.sendall(self.rng.randbytes(200) if kind == "bytes" else b"GET / HTTP/1.1\r\nHost: 127")
            return f"stranger: {kind}"
        async with connection(url) as plugin:
            if kind == "wrong token":
                await plugin.send({**FRAMES["hello"], "instance": "stranger"})
                await plugin.receive()
                await plugin.send({"type": "auth", "proof": "0" * 64})
                if await plugin.closed_with() != 4401:
                    raise Found("a wrong proof was taken")
            else:
                await plugin.send({"type": "goodbye"})
                if await plugin.closed_with() != 4400:
                    raise Found("a frame before the handshake was taken")
        return f"stranger: {kind}"

    async def pause(self) -> str:
        """Stop the tray's process for a moment."""
        seconds = self.rng.choice((0.1, 0.3, 1.0))
        process = self.home.process
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        return f"the tray is stopped for {seconds} s"

    async def slow_reader(self) -> str:
        """Let a browser stop reading, and those that had stopped read again."""
        await self.quiet()
        slow = [device for device in self.devices if not device.may_read.is_set()]
        for device in slow:
            await device.resume()
        if not slow:
            self.devices[self.rng.randrange(BROWSERS)].may_read.clear()
        return "a browser reads slowly" if not slow else "the browser reads again"

    async def page_again(self) -> str:
        """Open the page again, and read what it shows."""
        number = self.rng.randrange(BROWSERS)
        await self.quiet()
        device = self.devices[number]
        device.may_read.set()
        await device.open()
        for path in ("/api/me", "/api/usage/summary", "/api/history", "/api/audit"):
            status, answer = await device.client.call("GET", path)
            if status not in (200, 404):
                raise Found(f"{path}: {status} {answer}")
        return f"browser {number} opens the page again"

    async def rotate_token(self) -> str:
        await self.quiet()
        await self.compare()
        before = self.home.token
        with suppress(TypeError, TimeoutError):  # the connection is closed with the others
            await self.control.call("token.rotate")
        await until_async(lambda: self.home.token != before, "another token", MATCH)
        for link in self.links:
            await link.lost()
            self._unsure_news(link.agent)
            self.note(*link.agent.sessions)
        await self.connect_all(again=False)
        await self.pair_devices()
        return "the token is rotated"

    async def hook(self) -> str:
        """Let a process of another agent call its hooks."""
        session = self.pick(self.hooks) if self.rng.random() < 0.9 else None
        agent = self.hook_agent
        if session is None:
            if len(self.hooks) >= 2:
                return ""
            name = self.name("s")
            session = Session(name, self.ids.new("qwen"), agent)
            hooks = Hooks(session.id, self.home.path / "data/opencode-tray/hooks/socket")
            await hooks.call("SessionStart")
            agent.sessions.append(session)
            self.hooks[session] = hooks
            return f"{name} begins by hooks"
        hooks = self.hooks[session]
        if session.activity == "idle":
            what = self.rng.choice(("begin", "begin", "begin", "close"))
        else:
            what = "answered" if session.waiting else self.rng.choice(("ask", "ask", "end", "fail"))
        match what:
            case "begin":
                session.activity, session.failure, session.outcome, session.output = "busy", "", "idle", ""
                session.is_optional = session.is_unsure = False
                await hooks.call("UserPromptSubmit", prompt="Do it")
            case "ask":
                ask = Ask(self.name("r"), self.ids.new("hook"), session, True, self.ids.newest)
                session.asks.append(ask)
                command = {"command": f"echo {ask.name}"}
                await hooks.call("PermissionRequest", tool_name="bash", tool_input=command)
            case "answered":
                session.waiting[0].is_open = False
                session.is_optional = True
                await hooks.call("PostToolUse", tool_name="bash")
            case "end":
                session.output, session.outcome = self.name("c"), "completed"
                session.activity, session.ended_at = "idle", time.monotonic()
                await hooks.call("Stop", last_assistant_message=f"Done: {session.output}")
            case "fail":
                session.failure, session.activity, session.ended_at = self.name("e"), "idle", time.monotonic()
                await hooks.call("StopFailure", error=f"Failed: {session.failure}")
            case _:
                await self.end_hooks(session)
        self.note(session)
        return f"{session.name} {what} by hooks"

    async def end_hooks(self, session: Session) -> None:
        """Close the session of a process, and end it."""
        hooks = self.hooks.pop(session)
        await hooks.call("SessionEnd")
        await until_async(lambda: self._is_closed(session), f"the end of {session.name}", MATCH)
        hooks.end()
        session.is_gone = True
        self.hook_agent.sessions.remove(session)
        self.note(session)

    async def _is_closed(self, session: Session) -> bool:
        report = await self.control.call("status")
        found = next((shown for shown in report["sessions"] if shown["id"] == session.id), None)
        return found is None or found["status"] == "disconnected"

    async def command_line(self) -> str:
        """Run the command `status`, as a user does."""
        await self.compare()
        report = await asyncio.to_thread(self.home.status)
        if differences := await self.differences(report):
            raise Found(f"opencode-tray status: {differences[:5]}")
        return "opencode-tray status"
