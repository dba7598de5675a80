"""The calls of plugin/PROTOCOL.md ("Calls") to Codex' daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tray.agents.codex.asked import Asked
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents.codex_connection import DaemonConnection
from tray.sources.agents.codex_thread import DaemonThread
from tray.sources.agents.codex_threads import DaemonThreads

Params = Mapping[str, Any]


async def call_daemon(daemon: DaemonConnection, threads: DaemonThreads, method: str, params: Params) -> Any:
    """Call a method; return its result as plain JSON values. Raises CallError."""
    match method:
        case "permission.reply":
            await _reply_to_permission(daemon, threads, params)
        case "question.reply":
            _, item = _pending(threads, params)
            await daemon.respond(item.frame_id, item.question_result(params["answers"]))
        case "question.reject":
            thread, item = _pending(threads, params)
            await _interrupt(daemon, thread, item.turn_id)
        case "session.abort":
            await _abort(daemon, threads, params)
        case _:
            raise CallError(f"{method} is not supported by Codex", CallErrorKind.UNSUPPORTED)
    return {}


async def _reply_to_permission(daemon: DaemonConnection, threads: DaemonThreads, params: Params) -> None:
    """Answer a permission. A refusal ends the turn, as in Codex' terminal; its message is the next prompt."""
    thread, item = _pending(threads, params)
    result = item.permission_result(params["reply"])
    if result is None:
        raise CallError("Codex does not offer that answer", CallErrorKind.UNSUPPORTED)
    await daemon.respond(item.frame_id, result)
    if message := params.get("message"):
        await daemon.call("turn/start", {"threadId": thread.id, "input": [{"type": "text", "text": message}]})


async def _abort(daemon: DaemonConnection, threads: DaemonThreads, params: Params) -> None:
    thread = threads.thread(params["sessionID"])
    if thread is None or thread.rollout is None:
        raise CallError("the session does not exist", CallErrorKind.NOT_FOUND)
    await threads.read([thread])
    await _interrupt(daemon, thread, thread.rollout.content.turn_id)


async def _interrupt(daemon: DaemonConnection, thread: DaemonThread, turn_id: str) -> None:
    await daemon.call("turn/interrupt", {"threadId": thread.id, "turnId": turn_id})


def _pending(threads: DaemonThreads, params: Params) -> tuple[DaemonThread, Asked]:
    found = threads.request(params["requestID"])
    if found is None:
        raise CallError("the request is no longer pending", CallErrorKind.NOT_FOUND)
    return found
