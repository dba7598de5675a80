"""The truth of the soak and its clients: answers the calls of the tray, and compares the tray with the truth."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

import aiohttp

from soak_clients import CallFailed, Control, CutOff, Device, Hooks, PluginLink, Screen, paired_browser, paired_phone
from soak_measures import SoakHome
from soak_truth import MODELS, Agent, Ask, Ids, Notices, Session, Step, reported
from tray.system.lan_address import lan_address

AGENTS, MAX_SESSIONS, MAX_ASKS = 8, 60, 14
BROWSERS, PHONES = 4, 2
LOGGED = 300  # actions; a failure prints the last 30, and those before that are about the same sessions
MATCH = 5.0  # s in which the tray has to show the truth


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
            session.past.append(output)
        elif how == "error":
            session.failure = self.name("e")
            session.past.append(session.failure)
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
            older = {token for session in roots if session.is_unsure for token in session.past}
            self.notices.tolerated |= older
            needed = {token for token, session in wanted.items() if not session.may_be_silent}
            shown = self.screen.open()
            if len(shown) == len(set(shown)) and needed <= set(shown) <= older.union(wanted):
                break
            if time.monotonic() > end:
                missing, orphaned = needed - set(shown), set(shown) - older.union(wanted)
                named = {name: self.notices.session_of.get(name, "?") for name in missing | orphaned}
                raise Found(f"notifications: missing {missing}, left over {orphaned}; sessions: {named}")
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
