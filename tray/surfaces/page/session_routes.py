"""HTTP routes for one session: details, messages, todos, file changes, and the commands on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

from tray.core.commands import (
    SESSION_COMMAND_RECORDS,
    CommandResult,
    DeleteSession,
    ShowDiff,
    ShowMessages,
    ShowTodos,
    Surface,
)
from tray.core.fleet import Fleet
from tray.core.session_commands import SESSION_COMMANDS
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Session, SessionKey, session_scope
from tray.core.source_calls import CallError
from tray.surfaces.control.methods import ControlMethods, Params
from tray.surfaces.page.answers import CHANGED
from tray.surfaces.page.markdown import render
from tray.surfaces.page.services import PageServices
from tray.surfaces.page.view import session_entry
from tray.surfaces.session_choices import agent_commands
from tray.surfaces.session_content import ShownMessage, ToolUse, read_diff, read_messages, read_todos
from tray.surfaces.session_text import details

MAX_MESSAGES = 100
MAX_DRAFT = 8_000  # characters; an agent may send more
COMMANDS = ("attach", "prompt", "new", "stop", "fork", "rename", "archive", "dismiss", "mute", "unmute")


class CommandBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a command on a session."""

    text: str = ""  # of a prompt
    title: str = ""
    duration: str = ""  # of a mute
    scope: str = "session"  # of a mute: "session" or "project"


class ConfirmBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a deletion: the sentence that the user confirmed, which lists what will be deleted."""

    confirm: str


class SessionRoutes:
    """Answers the calls on one session. All methods raise HTTPNotFound for an unknown ID."""

    def __init__(self, fleet: Fleet, index: SessionIndex, methods: ControlMethods, services: PageServices) -> None:
        self._fleet = fleet
        self._index = index
        self._methods = methods
        self._execute = services.execute
        self._call = services.call

    def details(self, session_id: str, at: int) -> dict[str, Any]:
        """Return everything that is known of a root session or, less of it, of a subagent session."""
        row, session = self._find(session_id)
        shown = dict(details(row, self._fleet, at)) if session.key == row.key else {}
        commands = list(agent_commands(self._fleet, row)) if session.key == row.key else []
        return {
            "session": session_entry(self._fleet, self._index, row, at),
            "id": session.id,
            "details": [{"name": name, "text": text} for name, text in shown.items()],
            "todos": [{"content": todo.content, "status": todo.status} for todo in session.todos],
            "directory": session.directory or row.server.directory,
            "commands": [{"name": i.name, "label": i.menu_label, "confirm": confirm} for i, confirm in commands],
            "muted": session_scope(session.id) in self._fleet.mutes,
        }

    async def messages(self, session_id: str, limit: int) -> dict[str, Any]:
        """Return the newest messages with their Markdown rendered, oldest first."""
        _, session = self._find(session_id)
        key = session.key
        result = await self._execute(ShowMessages(key, max(1, min(limit, MAX_MESSAGES))), Surface.PAGE)
        read = list(read_messages(_read(result)))
        return {"messages": await asyncio.to_thread(_rendered, read)}

    async def draft(self, session_id: str) -> dict[str, Any]:
        """Return the end of the text that the agent is writing; "" if it writes none, or if it is not known."""
        _, session = self._find(session_id)
        try:
            answer = await self._call(session.server, "session.draft", {"sessionID": session.id})
        except CallError:
            return {"text": ""}  # it is a part of what is shown, and the next call may succeed
        text = answer.get("text") if isinstance(answer, dict) else None
        return {"text": text[-MAX_DRAFT:] if isinstance(text, str) else ""}

    async def diff(self, session_id: str) -> dict[str, Any]:
        """Return the changed files with their patches."""
        _, session = self._find(session_id)
        result = await self._execute(ShowDiff(session.key), Surface.PAGE)
        return {"files": [msgspec.to_builtins(file) for file in read_diff(_read(result))]}

    async def todos(self, session_id: str) -> dict[str, Any]:
        """Return the todo list as OpenCode has it now."""
        _, session = self._find(session_id)
        result = await self._execute(ShowTodos(session.key), Surface.PAGE)
        return {"todos": [{"content": content, "status": status} for content, status in read_todos(_read(result))]}

    async def command(self, session_id: str, name: str, body: CommandBody) -> dict[str, Any]:
        """Run a command on a session. Raises UserError, HTTPNotFound."""
        if name not in COMMANDS:
            raise web.HTTPNotFound(text="no such command")
        _, session = self._find(session_id)
        if name in SESSION_COMMAND_RECORDS:
            parameter = SESSION_COMMANDS[name].parameter
            arguments = (getattr(body, parameter),) if parameter else ()
            command: Any = SESSION_COMMAND_RECORDS[name](session.key, *arguments)
        else:
            params = Params(session=session.id, scope=body.scope, duration=body.duration or "30m")
            command = self._methods.command(name, params)
        return _outcome(await self._execute(command, Surface.PAGE))

    async def delete(self, session_id: str, body: ConfirmBody) -> dict[str, Any]:
        """Delete a session if the user confirmed what goes now. Raises HTTPConflict if that has changed."""
        row, session = self._find(session_id)
        commands = agent_commands(self._fleet, row) if session.key == row.key else ()
        sentence = next((confirmation for info, confirmation in commands if info.name == "delete"), None)
        if sentence is None:
            raise web.HTTPForbidden(text="this session cannot be deleted from here")
        if body.confirm != sentence:
            raise web.HTTPConflict(text=CHANGED)
        return _outcome(await self._execute(DeleteSession(session.key), Surface.PAGE))

    def _find(self, session_id: str) -> tuple[SessionRow, Session]:
        """Return the root session's row and the session. Raises HTTPNotFound."""
        row = self._index.row(session_id)
        if row is not None:
            return row, row.session
        for key, session in self._fleet.sessions.items():
            if key.session == session_id:
                root: SessionKey = self._fleet.root_of(key)
                found = self._index.row(root.session)
                if found is not None:
                    return found, session
        raise web.HTTPNotFound(text="no such session")


def _read(result: CommandResult) -> Any:
    """Return what was read. Raises HTTPBadGateway with the reason if the agent could not be asked."""
    if not result.ok:
        raise web.HTTPBadGateway(text=result.message)
    return result.result


def _rendered(messages: Iterable[ShownMessage]) -> list[dict[str, Any]]:
    return [
        {
            "author": message.author,
            "at": message.at,
            "error": message.error,
            "parts": [
                msgspec.to_builtins(part) if isinstance(part, ToolUse) else {"nodes": render(part)}
                for part in message.parts
            ],
        }
        for message in messages
    ]


def _outcome(result: CommandResult) -> dict[str, Any]:
    new_id = result.result.get("id") if isinstance(result.result, dict) else None
    return {"ok": result.ok, "as_requested": result.as_requested, "message": result.message, "id": new_id}
