"""What happens in the soak: each action changes the truth, and makes the same happen to the tray.

A seeded generator decides everything, from the truth alone: neither the time nor the tray changes which actions follow.
"""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import aiohttp

from fakes import FRAMES, connection
from soak_clients import CallFailed, Control, CutOff, Device, Hooks, PluginLink, Screen, paired_browser, paired_phone
from soak_measures import SoakHome
from soak_truth import MODELS, RESTING, Agent, Ask, Ids, Notices, Session, Step, reported
from tray.core.click_guard import REFUSED, SETTLE
from tray.system.lan_address import lan_address
from waiting import until_async

AGENTS, MAX_SESSIONS, MAX_ASKS = 8, 60, 14
BROWSERS, PHONES = 4, 2
LOGGED = 300  # actions; a failure prints the last 30, and those before that are about the same sessions
MATCH = 5.0  # s in which the tray has to show the truth

Action = Callable[[], Awaitable[str]]


class Found(AssertionError):  # noqa: N818  # what the soak looks for
    """The tray differs from the truth."""


class Fleet:
    """The truth, the clients and the tray."""

    def __init__(self, seed: int, home: SoakHome, http: aiohttp.ClientSession, screen: Screen | None, notices: Notices):
        self.rng = random.Random(seed)  # noqa: S311  # to be repeated
        self.home = home
        self.http = http
        self.screen = screen
        self.notices = notices
        self.ids = Ids()
        self.links = [PluginLink(Agent(number, self.ids), http, self.serve) for number in range(AGENTS)]
        self.control, self.answering = Control(http), Control(http)
        self.devices: list[Device] = []
        self.hooks: dict[Session, Hooks] = {}
        self.hook_agent = Agent(-1, self.ids)
        self.hook_agent.is_live = True
        self.steps: list[tuple[Session, Step]] = []  # all that were reported
        self.done: Counter[str] = Counter()
        self.given: Counter[str] = Counter()  # answers by what gave them
        self.answered: dict[str, str] = {}  # request id -> "tray" or "elsewhere"
        self.log: deque[str] = deque(maxlen=LOGGED)
        self.found: list[Found] = []
        self.expected_calls: list[str] = []
        self._numbers: Counter[str] = Counter()
        self._running: dict[Agent, list[asyncio.Task[None]]] = {}
        self._next_device = 0

    # ------------------------------------------------------------------ the truth

    @property
    def agents(self) -> list[Agent]:
        return [*(link.agent for link in self.links), self.hook_agent]

    @property
    def sessions(self) -> list[Session]:
        return [session for agent in self.agents for session in agent.sessions]

    def name(self, kind: str) -> str:
        self._numbers[kind] += 1
        return f"soak-{kind}{self._numbers[kind]}"

    def link(self, agent: Agent) -> PluginLink:
        return next(link for link in self.links if link.agent is agent)

    def pick(self, choices: Iterable[Any]) -> Any:
        found = list(choices)
        return self.rng.choice(found) if found else None

    def note(self, *sessions: Session) -> None:
        self.notices.update(list(dict.fromkeys(session.root for session in sessions)))

    async def quiet(self, agent: Agent | None = None) -> None:
        """Wait for the answers that are on their way to an agent, or to all."""
        for key in list(self._running) if agent is None else [agent]:
            for task in self._running.pop(key, []):
                await task

    # ------------------------------------------------------------------ calls of the tray

    def serve(self, agent: Agent, method: str, params: dict[str, Any]) -> tuple[list[Any], Any]:
        """Answer a call. What is found is raised by the next action: the caller is the tray."""
        try:
            return self._serve(agent, method, params)
        except Found as found:
            self.found.append(found)
            raise CallFailed(-32000) from found

    def _serve(self, agent: Agent, method: str, params: dict[str, Any]) -> tuple[list[Any], Any]:
        if method in ("permission.reply", "question.reply", "question.reject"):
            return self._serve_answer(agent, method, params)
        if method == "snapshot":
            return [agent.snapshot], {}
        if method == "wishes":
            return [], {}
        session = next((each for each in agent.sessions if each.id == params.get("sessionID")), None)
        if session is None:
            raise CallFailed(-32001)
        if method == "session.messages":
            listed = [{"info": step.message(session, finish="stop"), "parts": []} for step in session.steps]
            return [], listed
        if method == "session.draft":
            return [], {"text": "writing"}
        expected = f"{method} {session.name}"
        if expected not in self.expected_calls:
            raise Found(f"the tray called {expected}, which was not asked for")
        self.expected_calls.remove(expected)
        return self._serve_command(session, method, params)

    def _serve_command(self, session: Session, method: str, params: dict[str, Any]) -> tuple[list[Any], Any]:
        match method:
            case "session.abort":
                return self._end_turn(session, "aborted"), {}
            case "session.delete":
                return self._remove(session), {}
            case "session.update":
                session.title = params["title"]
                return [["session.updated", {"info": {"id": session.id, "title": session.title}}]], {}
            case "session.prompt":
                return self._begin_turn(session), {}
            case "session.fork":
                forked, frames = self._fork(session)
                return frames, {"id": forked.id, "title": forked.title}
            case _:
                raise Found(f"unknown call {method}")

    def _serve_answer(self, agent: Agent, method: str, params: dict[str, Any]) -> tuple[list[Any], Any]:
        asks = [ask for session in agent.sessions for ask in session.asks if ask.id == params["requestID"]]
        if not asks:
            raise Found(f"an answer for an unknown request: {params}")
        (ask,) = asks
        value = {"permission.reply": params.get("reply"), "question.reply": params.get("answers")}.get(method, "reject")
        ask.arrived.append(value)
        if value not in ask.given:
            raise Found(f"{ask.name} got {value!r}; given were {ask.given}")
        fate, closed = ask.fate, self._closed_frame(ask, value)
        ask.fate = "taken"
        if fate != "elsewhere" and not ask.is_open:
            raise Found(f"{ask.name} got an answer after it was closed")
        match fate:
            case "refused":
                ask.arrived.pop()
                raise CallFailed(-32000)
            case "elsewhere":
                ask.arrived.pop()
                ask.is_open = False
                raise CallFailed(-32001, *([closed] if self.rng_of(ask) else []))
            case "cut, answered":
                ask.is_open = False
                raise CutOff
            case "cut":
                ask.arrived.pop()
                raise CutOff
        ask.is_open = False
        if len(ask.arrived) > 1:
            raise Found(f"{ask.name} got {len(ask.arrived)} answers")
        return [closed], {}

    def rng_of(self, ask: Ask) -> bool:
        """A decision that depends on the request alone."""
        return int(ask.name.removeprefix("soak-r")) % 2 == 0

    @staticmethod
    def _closed_frame(ask: Ask, value: Any) -> list[Any]:
        ids = {"sessionID": ask.session.id, "requestID": ask.id}
        if ask.is_permission:
            return ["permission.replied", {**ids, "reply": value}]
        return ["question.rejected" if value == "reject" else "question.replied", ids]

    # ------------------------------------------------------------------ changes of sessions, and their frames

    def _new_session(self, agent: Agent, parent: Session | None = None) -> tuple[Session, list[Any]]:
        name = self.name("s")
        session = Session(name, self.ids.new("ses"), agent, parent, title=f"Work on {name}")
        agent.sessions.append(session)
        if parent is not None:
            parent.children.append(session)
        return session, [["session.created", {"info": session.info}]]

    def _fork(self, source: Session) -> tuple[Session, list[Any]]:
        forked, frames = self._new_session(source.agent)
        forked.title = f"{source.title} (fork #1)"
        for copied in source.steps[-3:]:
            step = Step(self.ids.new("msg"), copied.completed - 60_000, copied.tokens, copied.cost, copied.model, True)
            forked.steps.append(step)
            self.steps.append((forked, step))
            frames.append(["message.updated", {"info": step.message(forked, finish="stop")}])
        return forked, [["session.created", {"info": forked.info}], *frames[1:]]

    def _begin_turn(self, session: Session) -> list[Any]:
        session.prompt = self.ids.new("msg")
        session.activity, session.failure, session.outcome, session.output = "busy", "", "idle", ""
        session.is_unsure = session.is_optional = False
        prompt = {"id": session.prompt, "sessionID": session.id, "role": "user"}
        status = {"sessionID": session.id, "status": {"type": "busy"}}
        return [["message.updated", {"info": prompt}], ["session.status", status]]

    def _step(self, session: Session, **more: Any) -> list[Any]:
        tokens, cost = (self.rng.randrange(1, 5000), self.rng.randrange(1, 900)), self.rng.randrange(1, 9000)
        step = Step(self.ids.new("msg"), self.ids.newest, tokens, cost, self.rng.choice(MODELS))
        step.is_sure = session.agent.is_live
        session.steps.append(step)
        self.steps.append((session, step))
        frame = ["message.updated", {"info": step.message(session, **more)}]
        return [frame] * self.rng.choice((1, 1, 1, 2))

    def _end_turn(self, session: Session, how: str) -> list[Any]:
        frames: list[Any] = []
        if how == "completed":
            output = self.name("c")
            frames = self._step(session, finish="stop", output=f"Done: {output}")
            session.outcome = "completed" if session.parent is None else "idle"
            session.output = output if session.parent is None else ""
        elif how == "error":
            session.failure = self.name("e")
            error = {"name": "APIError", "data": {"message": f"Failed: {session.failure}", "statusCode": 500}}
            frames = [["session.error", {"sessionID": session.id, "error": error}]]
        else:
            session.outcome = "aborted"
            error = {"name": "MessageAbortedError"}
            frames = [["session.error", {"sessionID": session.id, "error": error}]]
        session.activity, session.ended_at = "idle", time.monotonic()
        if not session.agent.is_live:
            session.is_unsure = True
        frames.append(["session.status", {"sessionID": session.id, "status": {"type": "idle"}}])
        return frames

    def _remove(self, session: Session) -> list[Any]:
        frames = []
        for each in reversed(list(session.tree())):
            each.is_gone = True
            each.agent.sessions.remove(each)
            if each.parent is not None:
                each.parent.children.remove(each)
            if not each.agent.is_live:
                for step in each.steps:
                    step.is_sure = False
            frames.append(["session.deleted", {"info": {"id": each.id}}])
            self.note(each)  # without its subagents, a session that is about to be deleted may have ended
        return frames

    def _ask(self, session: Session) -> Ask:
        is_permission = self.rng.random() < 0.65
        ask = Ask(self.name("r"), self.ids.new("per" if is_permission else "que"), session, is_permission, 0)
        ask.asked = self.ids.newest
        session.asks.append(ask)
        return ask

    # ------------------------------------------------------------------ comparisons

    async def differences(self, report: dict[str, Any] | None = None) -> list[str]:
        """Return how the tray's report differs from the truth."""
        found = report or await self.control.call("status")
        known = {session["id"]: session for session in found["sessions"]}
        live = {server["id"] for server in found["servers"] if server["connected"]}
        differences = []
        for agent in self.agents:
            if agent is not self.hook_agent and agent.is_live and agent.instance not in live:
                differences.append(f"{agent.name} is not connected")
            for session in agent.sessions:
                shown = known.get(session.id)
                expected = session.shown()
                if shown is None:
                    differences += [f"{session.name} is missing"] if agent.is_live else []
                    continue
                if agent is self.hook_agent:
                    expected = {**expected, "requests": [request["id"] for request in shown["requests"]]}
                actual = reported(shown, expected)
                if not agent.is_live and shown["status"] == "disconnected":
                    continue
                if actual != expected:
                    differences.append(f"{session.name} is {actual}, not {expected}")
        own = {session.id for session in self.sessions}
        instances = {agent.instance for agent in self.agents if agent.is_live}
        for session_id, shown in known.items():
            if session_id not in own and shown["server"] in instances:
                differences.append(f"{shown['title']} ({session_id}) is shown, but does not exist")
        return differences

    async def compare(self) -> None:
        """Wait until the tray shows the truth."""
        await self.quiet()
        end = time.monotonic() + MATCH
        while differences := await self.differences():
            if time.monotonic() > end:
                raise Found(f"not within {MATCH:g} s: {differences[:5]}")
            await asyncio.sleep(0.03)

    async def settle(self) -> None:
        """Wait until the tray shows the truth, and exactly the notifications that are due."""
        await self.compare()
        self._pages_agree()
        if self.screen is None:
            return
        end = time.monotonic() + MATCH
        while True:
            roots = [session for session in self.sessions if session.parent is None]
            wanted = {token: session for session in roots if (token := session.wanted())}
            needed = {token for token, session in wanted.items() if not session.may_be_silent}
            shown = self.screen.open()
            if len(shown) == len(set(shown)) and needed <= set(shown) <= set(wanted):
                break
            if time.monotonic() > end:
                missing, orphaned = needed - set(shown), set(shown) - set(wanted)
                raise Found(f"notifications: missing {missing}, left over {orphaned}, shown {shown}")
            await asyncio.sleep(0.03)
        if many := self.notices.too_many():
            raise Found(f"notifications shown too often (session, times, allowed): {many}")

    def _pages_agree(self) -> None:
        for device in self.devices:
            if device.may_read.is_set() and not device.is_open:
                raise Found("a live view was closed")

    # ------------------------------------------------------------------ connections

    async def connect_all(self, *, again: bool) -> None:
        """Connect everything to a tray that has started, or has another token."""
        token = self.home.token
        for link in self.links:
            await link.connect(self.home.port, token)
        for control in (self.control, self.answering):
            await control.connect(self.home.port, token)
        for device in self.devices if again else ():
            await device.open()
        self.note(*self.sessions)

    async def pair_devices(self) -> None:
        """Pair browsers and phones."""
        for device in self.devices:
            await device.close()
        self.devices = [await paired_browser(self.http, self.control) for _ in range(BROWSERS)]
        if lan_address():
            self.devices += [await paired_phone(self.http, self.control) for _ in range(PHONES)]
        for device in self.devices:
            await device.open()

    async def close(self) -> None:
        for device in self.devices:
            await device.close()
        for hooks in self.hooks.values():
            hooks.end()
        for link in self.links:
            await link.close()
        await self.control.close()
        await self.answering.close()

    # ------------------------------------------------------------------ actions on sessions

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

    # ------------------------------------------------------------------ faults

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

    def _unsure_news(self, agent: Agent) -> None:
        """The end of a turn is not announced again after a lost connection."""
        for session in agent.sessions:
            if session.status in RESTING or session.activity == "idle":
                session.is_optional = True

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

    # ------------------------------------------------------------------ the order of actions

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


def _is_early(result: Any) -> bool:
    """Whether the device has answered another request just now, or the tray does not know the newest snapshot yet."""
    message = str(result.get("message")) if isinstance(result, dict) else ""
    return message == REFUSED or message.endswith("is not connected; nothing was sent")
