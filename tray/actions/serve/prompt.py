"""Prompting a server and following the turn to its end, as a script wants it."""

from __future__ import annotations

import asyncio
import mimetypes
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from tray.core.source_calls import CallError, CallErrorKind
from tray.core.text import clean, last_line
from tray.opencode.api import Api, LockedError
from tray.opencode.event_stream import Json, subscribe

LOCKED = "it wants another password: put it under [[servers]] in the settings"


class Turn(msgspec.Struct):
    """One prompt and what came of it."""

    session: str = ""
    ok: bool = False
    error: str = ""  # why it failed, or was stopped
    output: str = ""  # all that the agent wrote
    seconds: float = 0.0
    cost: float = 0.0
    tokens: int = 0  # that the model wrote
    tools: list[str] = msgspec.field(default_factory=list)

    @property
    def summary(self) -> str:
        """Its last line, or what went wrong."""
        return self.error or last_line(self.output, 200)


class PromptError(Exception):
    """The server did not take the prompt; the text says why."""


class TurnCallbacks(msgspec.Struct, frozen=True):
    """Who wants to know what happens: text as it is written, events as `opencode run --format json` writes them."""

    text: Callable[[str], None] = lambda _: None
    event: Callable[[Json], None] = lambda _: None
    notice: Callable[[str], None] = lambda _: None  # that somebody has to do something


async def send(
    api: Api, prompt: str, sink: TurnCallbacks, *, directory: str = "", files: Sequence[Path] = (), session: str = ""
) -> Turn:
    """Prompt, in a new session or this one, and wait for the end of the turn. Raises PromptError.

    When cancelled, the turn is stopped as well.
    """
    turn, begun = Turn(session), time.monotonic()
    try:
        async with subscribe(api) as events:
            following = _Following(turn, sink)
            try:
                turn.session = await session_for(api, directory, session)
                await begin(api, prompt, turn.session, directory=directory, files=files)
                await following.follow(events)
            except BaseException:  # Ctrl-C, or nobody reads what we print any more
                if turn.session:
                    await asyncio.shield(_stop(api, turn.session, directory))
                turn.error = "stopped"
                raise
            await _sum_up(api, turn, directory)
    except LockedError:
        raise PromptError(LOCKED) from None
    except CallError as error:
        raise PromptError(str(error)) from error
    finally:
        turn.seconds = time.monotonic() - begun
    return turn


async def session_for(api: Api, directory: str, session: str = "") -> str:
    """A new session's id, or this one's if it is there: some versions take a prompt for any. Raises PromptError."""
    try:
        if not session:
            made = _table(await api.post("/session", directory, {})).get("id")
            if not made:
                raise PromptError("it made no session")
            return str(made)
        found = _table(await api.get(f"/session/{quote(session, safe='')}", directory)).get("id")
    except LockedError:
        raise PromptError(LOCKED) from None
    except CallError as error:
        unknown = error.kind is CallErrorKind.NOT_FOUND
        raise PromptError(f"there is no session {session!r}" if unknown else str(error)) from error
    if found != session:
        raise PromptError(f"there is no session {session!r}")
    return session


async def begin(api: Api, prompt: str, session: str, *, directory: str = "", files: Sequence[Path] = ()) -> None:
    """Begin a turn in this session, without waiting for its end. Raises PromptError."""
    parts = [{"type": "text", "text": prompt}, *map(_file_part, files)]
    try:
        await api.post(f"/session/{session}/prompt_async", directory, {"parts": parts})
    except LockedError:
        raise PromptError(LOCKED) from None
    except CallError as error:
        raise PromptError(str(error)) from error


def _file_part(file: Path) -> Json:
    guessed = mimetypes.guess_type(file.name)[0] or ""
    mime = guessed if guessed.startswith("image/") or guessed == "application/pdf" else "text/plain"
    return {"type": "file", "mime": mime, "filename": file.name, "url": file.resolve().as_uri()}


async def _stop(api: Api, session: str, directory: str) -> None:
    try:
        await api.post(f"/session/{session}/abort", directory)
    except (CallError, LockedError):
        return  # it is gone, and the turn with it


class _Following:
    """Reads the events of one session until its turn ends."""

    def __init__(self, turn: Turn, sink: TurnCallbacks) -> None:
        self._turn = turn
        self._sink = sink
        self._prompts: set[str] = set()  # messages of the person
        self._written: dict[str, str] = {}  # by part, what was told of its text
        self._began = False
        self._family: set[str] = set()  # its subagents' sessions

    async def follow(self, events: AsyncIterator[Json]) -> None:
        """Raises CallError if the events end first."""
        async for event in events:
            if self._happened(event["payload"]):
                return

    def _happened(self, event: Json) -> bool:
        """Take one event; whether it ended the turn."""
        kind, told = event.get("type"), event.get("properties")
        if not isinstance(told, dict):
            return False
        session, info = _session_of(told), _table(told.get("info"))
        if info.get("parentID") in (self._turn.session, *self._family):
            self._family.add(str(info.get("id")))
        asks = kind in ("permission.asked", "question.asked") and session in self._family
        if session != self._turn.session and not asks:
            return False
        if kind == "message.updated":
            if info.get("role") == "user":
                self._prompts.add(str(info.get("id")))
        elif kind == "message.part.delta" and told.get("field") == "text":
            self._wrote(str(told.get("messageID")), str(told.get("partID")), str(told.get("delta", "")))
        elif kind == "message.part.updated":
            self._part(_table(told.get("part")))
        elif kind == "session.error":
            error = _table(told.get("error"))
            self._turn.error = _reason(error)
            self._sink.event(_line("error", self._turn.session, error=error))
        elif kind in ("permission.asked", "question.asked"):
            what = "permission" if kind == "permission.asked" else "an answer"
            self._sink.notice(f"waits for {what}: opencode-tray reply {clean(str(told.get('id')))}")
        elif kind == "session.status":
            state = _table(told.get("status")).get("type")
            self._began |= state != "idle"
            return self._began and state == "idle"
        elif kind == "session.idle":
            return self._began
        return False

    def _part(self, part: Json) -> None:
        kind, name = part.get("type"), str(part.get("id"))
        ended = bool(_table(part.get("time")).get("end"))
        if kind == "text" and not part.get("synthetic"):
            text, before = str(part.get("text", "")), self._written.get(name, "")
            if text.startswith(before):
                self._wrote(str(part.get("messageID")), name, text[len(before) :])
            if ended and str(part.get("messageID")) not in self._prompts:
                self._sink.event(_line("text", self._turn.session, part=part))
        elif kind in ("step-start", "step-finish"):
            self._sink.event(_line(kind.replace("-", "_"), self._turn.session, part=part))
        elif kind == "tool" and _table(part.get("state")).get("status") in ("completed", "error"):
            self._turn.tools.append(str(part.get("tool")))
            self._sink.event(_line("tool_use", self._turn.session, part=part))

    def _wrote(self, message: str, part: str, text: str) -> None:
        if not text or message in self._prompts or not self._began:
            return
        if self._turn.output and part not in self._written:
            text = f"\n{text}"
            self._written[part] = text[1:]
        else:
            self._written[part] = self._written.get(part, "") + text
        self._turn.output += text
        self._sink.text(text)


async def _sum_up(api: Api, turn: Turn, directory: str) -> None:
    """How it ended, by the last message: an error may have been told while nobody listened."""
    listed = await api.get(f"/session/{turn.session}/message", directory, limit=50)
    infos = [_table(_table(one).get("info")) for one in (listed if isinstance(listed, list) else ())]
    since = next((n for n in range(len(infos) - 1, -1, -1) if infos[n].get("role") == "user"), 0)
    answers = [info for info in infos[since:] if info.get("role") == "assistant"]
    for info in answers:
        turn.cost += info.get("cost") or 0
        turn.tokens += _table(info.get("tokens")).get("output") or 0
    last = answers[-1] if answers else {}
    if last.get("error"):
        turn.error = _reason(_table(last["error"]))
    elif last.get("finish") == "tool-calls" and not turn.error:
        turn.error = "ended before it was done: a permission was rejected"
    elif not answers and not turn.error:
        turn.error = "no answer"
    turn.ok = not turn.error


def _table(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _reason(error: Json) -> str:
    if error.get("name") == "MessageAbortedError":
        return "stopped"
    return clean(str(_table(error.get("data")).get("message") or error.get("name") or "failed"))


def _session_of(told: Json) -> str:
    for holder in (told, told.get("info"), told.get("part")):
        if isinstance(holder, dict) and isinstance(holder.get("sessionID"), str):
            return str(holder["sessionID"])
    return ""


def _line(kind: str, session: str, **more: Any) -> Json:
    return {"type": kind, "timestamp": time.time_ns() // 1_000_000, "sessionID": session, **more}
