"""What is true in the fleet of the soak: agents, sessions, requests and steps, and what the tray has to show."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tray.core.sessions import Status

URGENCY = {status.value: status.urgency for status in Status}
RESTING = {"idle", "completed", "aborted", "error"}
FRESH = 45.0  # s; the tray announces no end or error that is older than a minute
HOST, MODELS = "soak-host", ("fake-1", "fake-2", "fake-3")


class Ids:
    """OpenCode's kind of ids, which contain their time; each has another millisecond."""

    def __init__(self) -> None:
        self.newest = 0  # ms since the Unix epoch
        self._count = 0

    def new(self, prefix: str) -> str:
        self.newest = max(time.time_ns() // 1_000_000, self.newest + 1)
        self._count += 1
        return f"{prefix}_{self.newest * 4096 % 2**48:012x}{self._count:08}"


@dataclass(eq=False, slots=True)
class Step:
    """A response of the model."""

    id: str
    completed: int  # ms since the Unix epoch
    tokens: tuple[int, int]  # input, output
    cost: int  # micro-dollars
    model: str
    is_inherited: bool = False
    is_sure: bool = True  # whether the history has to have it

    def message(self, session: Session, **more: Any) -> dict[str, Any]:
        provider = {"modelID": self.model, "providerID": "fake"}
        tokens = {"input": self.tokens[0], "output": self.tokens[1]}
        cost, when = self.cost / 1e6, {"completed": self.completed}
        named = {"id": self.id, "sessionID": session.id, "role": "assistant", "finish": "tool-calls", **provider}
        return {**named, "cost": cost, "tokens": tokens, "time": when, **more}


@dataclass(eq=False, slots=True)
class Ask:
    """A request that waits."""

    name: str  # a part of what it asks, by which its notification is recognised
    id: str
    session: Session
    is_permission: bool
    asked: int  # ms since the Unix epoch
    is_open: bool = True  # whether the agent waits for it
    is_decided: bool = False  # whether an answer is on its way
    given: list[Any] = field(default_factory=list)  # the answers that may arrive
    arrived: list[Any] = field(default_factory=list)  # those that did
    fate: str = "taken"  # what happens to an answer that arrives

    @property
    def frame(self) -> dict[str, Any]:
        ids = {"id": self.id, "sessionID": self.session.id}
        if self.is_permission:
            command = {"command": f"echo {self.name}"}
            return {**ids, "permission": "bash", "patterns": ["*"], "metadata": command, "always": ["echo *"]}
        options = [{"label": "Yes"}, {"label": "No"}]
        return {**ids, "questions": [{"question": f"Shall I {self.name}?", "header": "Go on", "options": options}]}


@dataclass(eq=False, slots=True)
class Session:
    """A session, a fork of one, or the session of a subagent."""

    name: str
    id: str
    agent: Agent
    parent: Session | None = None
    children: list[Session] = field(default_factory=list)
    title: str = ""
    activity: str = "idle"
    failure: str = ""  # a token
    outcome: str = "idle"
    asks: list[Ask] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    prompt: str = ""
    output: str = ""
    is_muted: bool = False
    is_unsure: bool = False  # whether the tray cannot know how the last turn ended
    ended_at: float = 0.0  # when the last turn ended, monotonic
    is_optional: bool = False  # whether the end of the last turn may go without a notification
    is_gone: bool = False
    past: list[str] = field(default_factory=list)  # the tokens of the ends of all turns

    @property
    def root(self) -> Session:
        return self.parent.root if self.parent is not None else self

    def tree(self) -> Iterator[Session]:
        yield self
        for child in self.children:
            yield from child.tree()

    @property
    def waiting(self) -> list[Ask]:
        return [ask for ask in self.asks if ask.is_open]

    @property
    def own_status(self) -> str:
        waiting = self.waiting
        if any(ask.is_permission for ask in waiting):
            return "waiting_for_permission"
        if waiting:
            return "waiting_for_answer"
        if self.failure:
            return "error"
        return self.activity if self.activity != "idle" else self.outcome

    @property
    def status(self) -> str:
        """The status in the tray's report."""
        return self._status(self.own_status)

    @property
    def possible(self) -> set[str]:
        """The statuses that the tray may report, if it cannot know how the last turn ended."""
        is_unsure = self.is_unsure and self.own_status in RESTING
        return {self._status(own) for own in RESTING} if is_unsure else {self.status}

    def _status(self, own: str) -> str:
        if not self.agent.is_live:
            return "disconnected"
        if self.parent is not None:
            return own
        below = [child for child in self.tree() if child is not self and (child.waiting or child.activity != "idle")]
        states = [child.own_status if child.own_status != "error" else child.activity for child in below]
        return min([own, *states], key=URGENCY.__getitem__)

    @property
    def own_steps(self) -> list[Step]:
        return [step for step in self.steps if not step.is_inherited]

    def shown(self) -> dict[str, Any]:
        """The session in the tray's report, as `reported` returns it."""
        steps = self.own_steps
        return {
            "status": self.possible,
            "requests": sorted(ask.id for part in self._asking() for ask in part.waiting),
            "input": sum(step.tokens[0] for step in steps),
            "cost": sum(step.cost for step in steps),
            "muted": self.root.is_muted,
        }

    def _asking(self) -> Iterator[Session]:
        return self.tree() if self.parent is None else iter([self])

    # ------------------------------------------------------------------ notifications

    def wanted(self) -> str:
        """The token of the notification that a root session has to have; "" without one."""
        if not self.agent.is_live or self.is_muted or self.is_gone:
            return ""
        asks = [ask for part in self.tree() for ask in part.waiting if not ask.is_decided]
        if any(part.waiting for part in self.tree()):
            return min(asks, key=lambda ask: (not ask.is_permission, ask.asked)).name if asks else ""
        return {"error": self.failure, "completed": self.output}.get(self.status, "")

    @property
    def may_be_silent(self) -> bool:
        """Whether the wanted notification may be missing: it is about an end that is old, or that was not seen."""
        is_news = not any(part.waiting for part in self.tree())
        return is_news and (self.is_optional or self.is_unsure or time.monotonic() - self.ended_at > FRESH)

    # ------------------------------------------------------------------ frames

    @property
    def info(self) -> dict[str, Any]:
        """The session in a frame."""
        parent = {"parentID": self.parent.id} if self.parent is not None else {}
        times = {"created": self.agent.ids.newest, "updated": self.agent.ids.newest}
        return {"id": self.id, "title": self.title, "directory": self.agent.directory, "time": times, **parent}

    @property
    def digest(self) -> dict[str, Any]:
        def usage(steps: list[Step]) -> dict[str, Any]:
            tokens = {"input": sum(s.tokens[0] for s in steps), "output": sum(s.tokens[1] for s in steps)}
            return {"cost": sum(s.cost for s in steps) / 1e6, "tokens": tokens}

        inherited = [step for step in self.steps if step.is_inherited]
        found = {"messages": len(self.steps) + bool(self.prompt), **usage(self.own_steps), "prompt": self.prompt}
        if self.output:
            found["output"] = f"Done: {self.output}"
        if inherited:
            found["inherited"] = usage(inherited)
        if self.steps:
            message = self.steps[-1].message(self, finish="stop" if self.activity == "idle" else "tool-calls")
            found["last"] = {**message, "completed": self.steps[-1].completed}
        return found


def reported(session: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Return what the tray reports of a session, in the form of `Session.shown`."""
    status = session["status"]
    return {
        "status": expected["status"] if status in expected["status"] else status,
        "requests": sorted(request["id"] for request in session["requests"]),
        "input": session["tokens"]["input"],
        "cost": round(session["cost"] * 1e6),
        "muted": session["muted"],
    }


class Agent:
    """A directory of OpenCode with its sessions. `is_live`: whether its plugin is connected."""

    def __init__(self, number: int, ids: Ids) -> None:
        self.number = number
        self.ids = ids
        self.name = f"a{number}"
        self.instance = f"soak-instance-{number}"
        self.directory = f"/soak/project-{number % 12}"  # so that names of projects come again
        self.sessions: list[Session] = []
        self.is_live = False

    @property
    def roots(self) -> list[Session]:
        return [session for session in self.sessions if session.parent is None]

    @property
    def snapshot(self) -> dict[str, Any]:
        sessions = [{**session.info, "digest": session.digest} for session in self.sessions]
        busy = {session.id: _status(session.activity) for session in self.sessions if session.activity != "idle"}
        asks = [ask for session in self.sessions for ask in session.waiting]
        return {
            "type": "snapshot",
            "sessions": sessions,
            "status": busy,
            "permissions": [ask.frame for ask in asks if ask.is_permission],
            "questions": [ask.frame for ask in asks if not ask.is_permission],
            "todos": {},
            "limits": {"fake/fake-1": 8000},
            "branch": "main",
        }


def _status(activity: str) -> dict[str, Any]:
    return {"type": "retry", "attempt": 1, "message": "busy", "next": 0} if activity == "retry" else {"type": activity}


class Notices:
    """The notifications that were shown, and how often each may be: once each time that a session began to need it."""

    def __init__(self) -> None:
        self.allowed: Counter[str] = Counter()
        self.shown: Counter[str] = Counter()
        self.session_of: dict[str, str] = {}  # for messages
        self.tolerated: set[str] = set()  # of sessions that had an end which the tray cannot know
        self.others = 0  # results of commands
        self._wanted: dict[Session, str] = {}

    def update(self, sessions: list[Session]) -> None:
        """Note which notifications the root sessions have to have from now on."""
        for session in sessions:
            token = session.wanted()
            if token and token != self._wanted.get(session):
                self.allowed[token] += 1
                self.session_of[token] = f"{session.agent.name} {session.name}"
            self._wanted[session] = token
            if session.is_gone:
                del self._wanted[session]

    def again(self) -> None:
        """Note that the tray has lost what it knew of notifications."""
        self._wanted.clear()

    def too_many(self) -> dict[str, tuple[str, int, int]]:
        """Return the notifications that were shown too often, with their session."""
        many = {name: n for name, n in self.shown.items() if n > self.allowed[name] and name not in self.tolerated}
        return {name: (self.session_of.get(name, "?"), n, self.allowed[name]) for name, n in many.items()}
