"""What users and agents do in the soak: turns, commands, requests and answers."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from soak_clients import Device
from soak_fleet import MATCH, MAX_ASKS, MAX_SESSIONS, Fleet, Found
from soak_truth import RESTING, Agent, Ask, Session
from tray.core.click_guard import REFUSED, SETTLE
from waiting import until_async


class Work(Fleet):
    """Sessions that work and ask, and users who answer."""

    def _agent(self) -> Agent:
        return self.rng.choice(self.links).agent

    async def _tell(self, agent: Agent, frames: list[Any]) -> None:
        await self.link(agent).send(*frames)

    async def new_session(self) -> str:
        agent = self._agent()
        if len(self.sessions) >= MAX_SESSIONS:
            return await self.delete()
        await self.quiet(agent)
        session, frames = self._new_session(agent)
        await self._tell(agent, frames)
        return f"{agent.name} new {session.name}"

    async def child(self) -> str:
        parent = self.pick(s for link in self.links for s in link.agent.sessions)
        if parent is None or len(self.sessions) >= MAX_SESSIONS or (parent.parent is not None and parent.parent.parent):
            return ""
        await self.quiet(parent.agent)
        session, frames = self._new_session(parent.agent, parent)
        frames += self._begin_turn(session)
        await self._tell(parent.agent, frames)
        self.note(session)
        return f"{parent.name} starts {session.name}"

    async def begin(self) -> str:
        session = self.pick(
            s for link in self.links for s in link.agent.sessions if s.activity == "idle" and len(s.steps) < 80
        )
        if session is None:
            return ""
        await self.quiet(session.agent)
        frames = self._begin_turn(session)
        await self._tell(session.agent, frames)
        self.note(session)
        return f"{session.name} begins"

    def _working(self) -> Session | None:
        found: Session | None = self.pick(s for link in self.links for s in link.agent.sessions if s.activity != "idle")
        return found

    async def step(self) -> str:
        session = self._working()
        if session is None or len(session.steps) >= 80:
            return ""
        await self.quiet(session.agent)
        await self._tell(session.agent, self._step(session))
        return f"{session.name} step"

    async def tool(self) -> str:
        session = self._working()
        if session is None:
            return ""
        tool = {"sessionID": session.id, "type": "tool", "tool": "bash", "state": {"status": "running"}}
        edit = {"sessionID": session.id, "callID": self.ids.new("call"), "extension": ".py", "added": 3, "removed": 1}
        todos = [{"content": f"Item {number}", "status": "pending", "priority": "low"} for number in range(3)]
        await self._tell(
            session.agent,
            [
                ["message.part.updated", {"part": tool}],
                ["tray.edit", edit],
                ["todo.updated", {"sessionID": session.id, "todos": todos}],
            ],
        )
        return f"{session.name} tool"

    async def retry(self) -> str:
        session = self._working()
        if session is None:
            return ""
        await self.quiet(session.agent)
        session.activity = "retry" if session.activity == "busy" else "busy"
        status = {"type": "busy"}
        if session.activity == "retry":
            status = {"type": "retry", "attempt": 1, "message": "Too Many Requests", "next": 0}  # type: ignore[dict-item]
        await self._tell(session.agent, [["session.status", {"sessionID": session.id, "status": status}]])
        self.note(session)
        return f"{session.name} {session.activity}"

    async def end(self) -> str:
        session = self._working()
        if session is None or session.waiting:
            return ""
        await self.quiet(session.agent)
        how = self.rng.choices(("completed", "error", "aborted"), (8, 2, 2))[0]
        if not session.agent.is_live:
            how = "completed"
        frames = self._end_turn(session, how)
        await self._tell(session.agent, frames)
        self.note(session)
        return f"{session.name} {how}"

    async def delete(self) -> str:
        session = self.pick(s for link in self.links for s in link.agent.sessions)
        if session is None:
            return ""
        await self.quiet(session.agent)
        await self._tell(session.agent, self._remove(session))
        self.note(*([session.parent] if session.parent is not None else []))
        return f"{session.name} deleted"

    async def by_command(self) -> str:
        """Let the user stop, delete, rename, prompt, fork, dismiss or mute a session."""
        live = [s for link in self.links if link.agent.is_live for s in link.agent.sessions if s.parent is None]
        session = self.pick(live)
        if session is None:
            return ""
        await self.quiet(session.agent)
        method = self.rng.choice(("stop", "delete", "rename", "prompt", "fork", "dismiss", "mute", "mute"))
        called = {"stop": "abort", "rename": "update"}.get(method, method)
        params: dict[str, Any] = {"session": session.id}
        if method == "stop" and (session.activity == "idle" or session.waiting):
            return ""
        if method == "prompt" and (session.activity != "idle" or len(session.steps) >= 80):
            return ""
        if method == "fork" and len(self.sessions) >= MAX_SESSIONS:
            return ""
        if method == "prompt":
            params["text"] = "Go on"
        elif method == "rename":
            params["title"] = f"Renamed {session.name} {self.rng.randrange(100)}"
        elif method == "mute":
            method = "unmute" if session.is_muted else "mute"
            params |= {"scope": "session", "duration": "2h"}
        if method not in ("dismiss", "mute", "unmute"):
            self.expected_calls.append(f"session.{called} {session.name}")
        await self.compare()  # so that the session is known
        result = await self.control.call(method, **params)
        if self.expected_calls or not result.get("ok"):
            raise Found(f"{method} of {session.name}: {result}, calls that did not come: {self.expected_calls}")
        if method in ("mute", "unmute"):
            session.is_muted = method == "mute"
        if method == "dismiss":
            session.failure = ""
            session.outcome = "aborted" if session.outcome == "aborted" else "idle"
        self.note(session)
        return f"{session.name} {method} by the user"

    # ------------------------------------------------------------------ requests

    async def ask(self) -> str:
        waiting = [ask for session in self.sessions for ask in session.waiting]
        session = self._working()
        if session is None or len(waiting) >= MAX_ASKS:
            return ""
        await self.quiet(session.agent)
        ask = self._ask(session)
        event = ["permission.asked" if ask.is_permission else "question.asked", ask.frame]
        await self._tell(session.agent, [event] * self.rng.choice((1, 1, 1, 2)))
        self.note(session)
        return f"{session.name} asks {ask.name}"

    def _open_ask(self, *, is_live: bool = True) -> Ask | None:
        found: Ask | None = self.pick(
            ask
            for link in self.links
            if link.agent.is_live or not is_live
            for session in link.agent.sessions
            for ask in session.waiting
            if not ask.is_decided
        )
        return found

    async def elsewhere(self) -> str:
        """Let the agent's own terminal answer."""
        ask = self._open_ask(is_live=False)
        if ask is None:
            return ""
        await self.quiet(ask.session.agent)
        ask.is_open = False
        self.answered[ask.id] = "elsewhere"
        value = self.rng.choice(("once", "always", "reject"))
        await self._tell(ask.session.agent, [self._closed_frame(ask, value)] * self.rng.choice((1, 1, 2)))
        self._acted(ask)
        return f"{ask.name} answered in its terminal"

    def _acted(self, ask: Ask) -> None:
        """The user acted just now: the end of a turn that follows at once is not announced."""
        ask.session.root.is_optional = True
        self.note(ask.session)

    async def answer(self) -> str:
        """Answer a request by the page, the phone or a command, or by several at once."""
        ask = self._open_ask()
        if ask is None:
            return ""
        agent = ask.session.agent
        await self.quiet(agent)
        count = 2 if self.rng.random() < 0.15 else 1
        ways = [self.rng.choice(("device", "device", "command")) for _ in range(count)]
        choices = ("once", "reject", "always") if ask.is_permission else ("Yes", "No", "reject")
        values = [self.rng.choice(choices) for _ in range(count)]
        if "device" in ways and ask.is_permission:
            values = ["once" if value == "always" else value for value in values]  # phones may not allow always
        fates = ("taken", "refused", "elsewhere", "cut", "cut, answered")
        ask.fate = self.rng.choices(fates, (80, 5, 6, 2, 2))[0] if count == 1 else "taken"
        fate = ask.fate
        ask.given = [value if ask.is_permission or value == "reject" else [[value]] for value in values]
        ask.is_decided = True
        if fate in ("taken", "cut, answered"):
            self.answered[ask.id] = "tray" if fate == "taken" else "elsewhere"
        elif fate == "elsewhere":
            self.answered[ask.id] = "elsewhere"
        self._acted(ask)
        devices = [self._device() for way in ways if way == "device"]
        work = self._answer(ask, fate, list(zip(ways, values, strict=True)), devices)
        task = asyncio.create_task(work, name=f"answer of {ask.name}")
        if fate == "taken":
            self._running.setdefault(agent, []).append(task)
        else:
            await task
        return f"{ask.name} answered by {ways} with {values}: {fate}"

    def _device(self) -> Device:
        """Return the next device that reads: each may give 60 answers a minute."""
        self._next_device += 1
        readers = [device for device in self.devices if device.may_read.is_set()]
        return readers[self._next_device % len(readers)]

    async def _answer(self, ask: Ask, fate: str, given: list[tuple[str, str]], devices: list[Device]) -> None:
        ways = [
            self._by_device(ask, value, devices.pop()) if way == "device" else self._by_command(ask, value)
            for way, value in given
        ]
        results = await asyncio.gather(*ways)
        expected_open = fate in ("refused", "cut")
        if ask.is_open is not expected_open or len(ask.arrived) != (fate in ("taken", "cut, answered")):
            raise Found(f"{ask.name} ({fate}) is open: {ask.is_open}; arrived: {ask.arrived}; results: {results}")
        if fate == "taken" and not any(result.get("ok") and result.get("as_requested", True) for result in results):
            raise Found(f"{ask.name}: no answer was confirmed: {results}")
        if fate in ("refused", "cut") and any(result.get("ok") for result in results):
            raise Found(f"{ask.name} ({fate}): an answer was confirmed: {results}")
        ask.is_decided = False
        if fate.startswith("cut"):
            self._unsure_news(ask.session.agent)
            self.note(*ask.session.agent.sessions)
            await self.link(ask.session.agent).connect(self.home.port, self.home.token)
            self.note(*ask.session.agent.sessions)
        self.note(ask.session)

    async def _by_device(self, ask: Ask, value: str, device: Device) -> dict[str, Any]:
        body = (
            {"reject": True} if value == "reject" else {"reply": value} if ask.is_permission else {"answers": [[value]]}
        )
        self.given["device"] += 1
        try:
            end = time.monotonic() + MATCH
            status, result = await device.answer(ask, body)
            while _is_early(result) and time.monotonic() < end:
                await asyncio.sleep(SETTLE / 1000)  # an earlier try would be refused for as long again
                status, result = await device.answer(ask, body)
        except LookupError as error:
            return {"ok": True, "as_requested": False, "message": str(error)}
        if status != 200:
            return {"ok": False, "message": f"{status} {result}"}
        return dict(result)

    async def _by_command(self, ask: Ask, value: str) -> dict[str, Any]:
        self.given["command"] += 1
        is_verdict = ask.is_permission or value == "reject"
        params: dict[str, Any] = {"verdict": value} if is_verdict else {"answers": [value]}
        end = time.monotonic() + MATCH
        while True:
            result = await self.answering.call("reply", request=ask.id, **params)
            if not ("error" in result or _is_early(result)) or not ask.is_open or time.monotonic() > end:
                return dict(result)
            await asyncio.sleep(0.02)  # the request has not arrived yet

    async def late(self) -> str:
        """Answer a request that was closed."""
        ids = list(self.answered)[-5:]
        request_id = self.pick(ids)
        if request_id is None:
            return ""
        await self.quiet()
        await self.answering.call("reply", request=request_id, verdict="once")  # a call would be found
        return f"late answer to the {len(ids)} last"

    async def press(self) -> None:
        """Press a button of a notification, after everything has settled."""
        if self.screen is None:
            return
        tokens = {ask.name: ask for s in self.sessions for ask in s.waiting if s.agent is not self.hook_agent}
        open_asks = [tokens[token] for token in sorted(self.screen.open()) if token in tokens]
        asks = [ask for ask in open_asks if ask.is_permission]
        if not asks:
            return
        ask = asks[0]
        ask.given, ask.fate = ["once"], "taken"
        self.answered[ask.id] = "tray"
        end = time.monotonic() + 4 * MATCH
        while ask.is_open and time.monotonic() < end:
            await self.screen.steady(1.1)  # as a user, who does not click what has just appeared or moved
            number, buttons = self.screen.buttons(ask.name)
            if "Allow once" not in buttons:
                raise Found(f"no button to allow {ask.name}: {buttons}")
            self.notices.allowed[ask.name] += 1  # it is shown again if the click came too early
            await self.screen.desktop.press(number, buttons["Allow once"])
            with suppress(AssertionError):
                await until_async(lambda: not ask.is_open, deadline=2)
        if ask.is_open:
            raise Found(f"the notification of {ask.name} was clicked, and no answer came")
        self.given["notification"] += 1
        self._acted(ask)

    def _unsure_news(self, agent: Agent) -> None:
        """The end of a turn is not announced again after a lost connection."""
        for session in agent.sessions:
            if session.status in RESTING or session.activity == "idle":
                session.is_optional = True


def _is_early(result: Any) -> bool:
    """Whether the device has answered another request just now, or the tray does not know the newest snapshot yet."""
    message = str(result.get("message")) if isinstance(result, dict) else ""
    return message == REFUSED or message.endswith("is not connected; nothing was sent")
