"""A turn of an agent, followed by the events of its session."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec

from tray.core.text import clean, last_line
from tray.opencode.event_stream import Json

_REQUESTS = {"permission.asked": "permission", "question.asked": "an answer"}  # event types, and what to wait for


class Turn(msgspec.Struct):
    """The result of a prompt."""

    session: str = ""
    ok: bool = False
    error: str = ""  # why it failed; "stopped" if it was stopped
    output: str = ""  # all text of the agent
    seconds: float = 0.0
    cost: float = 0.0
    tokens: int = 0  # output tokens

    @property
    def summary(self) -> str:
        """The error, or the last line of the output."""
        return self.error or last_line(self.output, 200)


class TurnCallbacks(msgspec.Struct, frozen=True):
    """Callbacks for what happens in a turn."""

    text: Callable[[str], None] = lambda _: None  # a piece of the agent's text, as it is written
    event: Callable[[Json], None] = lambda _: None  # an event in the format of `opencode run --format json`
    notice: Callable[[str], None] = lambda _: None  # the user has to act


class TurnFollower:
    """Reads the events of a session until its turn ends."""

    def __init__(self, turn: Turn, callbacks: TurnCallbacks) -> None:
        self._turn = turn
        self._callbacks = callbacks
        self._prompts: set[str] = set()  # IDs of the user's messages
        self._written: dict[str, str] = {}  # the text that was passed on, by the ID of its part
        self._began = False
        self._subagents: set[str] = set()  # IDs of the subagent sessions
        self._handlers: Mapping[str, Callable[[Json], None]] = {
            "message.updated": self._message_updated,
            "message.part.delta": self._text_added,
            "message.part.updated": self._part_updated,
            "session.error": self._session_failed,
        }

    async def follow(self, events: AsyncIterator[Json]) -> None:
        """Read events until the turn ends. Raises CallError if the connection is lost before."""
        async for event in events:
            if self._ends_turn(event["payload"]):
                return

    def _ends_turn(self, event: Json) -> bool:
        """Handle an event; return whether it ended the turn."""
        kind, properties = str(event.get("type")), event.get("properties")
        if not isinstance(properties, dict):
            return False
        self._add_subagent(table(properties.get("info")))
        session = _session_of(properties)
        if kind in _REQUESTS and session in (self._turn.session, *self._subagents):
            request = clean(str(properties.get("id")))
            self._callbacks.notice(f"waits for {_REQUESTS[kind]}; run: opencode-tray reply {request}")
        if session != self._turn.session:
            return False
        if kind in self._handlers:
            self._handlers[kind](properties)
        return self._is_idle(kind, properties)

    def _add_subagent(self, info: Json) -> None:
        """Remember the session if its parent is this session or one of its subagent sessions."""
        if info.get("parentID") in (self._turn.session, *self._subagents):
            self._subagents.add(str(info.get("id")))

    def _is_idle(self, kind: str, properties: Json) -> bool:
        """Return whether the event says that the session, which has begun its turn, is idle again."""
        if kind == "session.idle":
            return self._began
        if kind != "session.status":
            return False
        status = table(properties.get("status")).get("type")
        self._began |= status != "idle"
        return self._began and status == "idle"

    def _message_updated(self, properties: Json) -> None:
        info = table(properties.get("info"))
        if info.get("role") == "user":
            self._prompts.add(str(info.get("id")))

    def _text_added(self, properties: Json) -> None:
        if properties.get("field") == "text":
            message, part = str(properties.get("messageID")), str(properties.get("partID"))
            self._write(message, part, str(properties.get("delta", "")))

    def _session_failed(self, properties: Json) -> None:
        error = table(properties.get("error"))
        self._turn.error = error_text(error)
        self._callbacks.event(_event("error", self._turn.session, error=error))

    def _part_updated(self, properties: Json) -> None:
        part = table(properties.get("part"))
        kind = part.get("type")
        if kind == "text" and not part.get("synthetic"):
            self._text_updated(part)
        elif kind in ("step-start", "step-finish"):
            self._callbacks.event(_event(kind.replace("-", "_"), self._turn.session, part=part))
        elif kind == "tool" and table(part.get("state")).get("status") in ("completed", "error"):
            self._callbacks.event(_event("tool_use", self._turn.session, part=part))

    def _text_updated(self, part: Json) -> None:
        message, part_id, text = str(part.get("messageID")), str(part.get("id")), str(part.get("text", ""))
        written = self._written.get(part_id, "")
        if text.startswith(written):
            self._write(message, part_id, text[len(written) :])
        if table(part.get("time")).get("end") and message not in self._prompts:
            self._callbacks.event(_event("text", self._turn.session, part=part))

    def _write(self, message: str, part: str, text: str) -> None:
        """Pass on a piece of the agent's text. Parts are separated by a line break."""
        if not text or message in self._prompts or not self._began:
            return
        separator = "\n" if self._turn.output and part not in self._written else ""
        self._written[part] = self._written.get(part, "") + text
        self._turn.output += separator + text
        self._callbacks.text(separator + text)


def table(value: Any) -> Json:
    """Return the value if it is a JSON object, else {}."""
    return value if isinstance(value, dict) else {}


def error_text(error: Json) -> str:
    """Return the message of an error of OpenCode, for the user."""
    if error.get("name") == "MessageAbortedError":
        return "stopped"
    return clean(str(table(error.get("data")).get("message") or error.get("name") or "failed"))


def _session_of(properties: Json) -> str:
    for holder in (properties, properties.get("info"), properties.get("part")):
        if isinstance(holder, dict) and isinstance(holder.get("sessionID"), str):
            return str(holder["sessionID"])
    return ""


def _event(kind: str, session: str, **fields: Any) -> Json:
    """Return an event in the format of `opencode run --format json`."""
    return {"type": kind, "timestamp": time.time_ns() // 1_000_000, "sessionID": session, **fields}
