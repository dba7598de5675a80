"""opencode-monitor's own plugin: its snapshot, which it does not push but is read, and what a person asks of it.

It calls `client[namespace][action](params)` and answers with the `data` alone, so a call that OpenCode refused looks
like one that returned nothing: only OpenCode's own event tells that an answer arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tray.core.events import SnapshotTaken
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind
from tray.opencode.lenient_json import JSON_ERRORS
from tray.sources.plugin.connection import PluginConnection, decode_answer
from tray.sources.protocol.snapshot_reader import read_limits, take_snapshot

READ_TIMEOUT = 10.0  # s for one call


async def read_seed_snapshot(link: PluginConnection, now: Callable[[], int]) -> SnapshotTaken:
    """Read what can be read; what cannot is absent. Never calls anything that changes something."""

    async def read(what: str, session: str = "", limit: int = 0) -> Any:
        reading = _READS.get(what)
        if reading is None:
            return None
        method, params = reading(session, limit)
        try:
            return msgspec.json.decode(await link.call(method, params, READ_TIMEOUT))
        except (CallError, *JSON_ERRORS):
            return None

    snapshot = await take_snapshot(link.server.id, link.server.directory, read, now())
    return replace(snapshot, limits=(await read_limits(link.server.id, read)).limits)


_READS: Mapping[str, Callable[[str, int], tuple[str, dict[str, Any] | None]]] = {
    "sessions": lambda *_: ("session.list", None),
    "status": lambda *_: ("session.status", None),
    "permissions": lambda *_: ("_client.get", {"url": "/permission"}),
    "questions": lambda *_: ("_client.get", {"url": "/question"}),
    "providers": lambda *_: ("config.providers", None),
    "messages": lambda session, limit: ("session.messages", {"path": {"id": session}, "query": {"limit": limit}}),
}


async def call_seed(link: PluginConnection, method: str, params: Mapping[str, Any]) -> Any:
    """One of our own calls (plugin/PROTOCOL.md) in that plugin's form. Raises CallError."""
    translate = _CALLS.get(method)
    if translate is None:
        raise CallError(
            "opencode-monitor's plugin cannot do that; install OpenCode Tray's own", CallErrorKind.UNSUPPORTED
        )
    theirs, given = translate(params)
    result = decode_answer(await link.call(theirs, given, CALL_TIMEOUT))
    return {} if result is None else result


def _post(url: str, path: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    headers = {"content-type": "application/json"}
    return "_client.post", {"url": url, "path": dict(path), "body": dict(body), "headers": headers}


def _on_session(action: str, params: Mapping[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
    return f"session.{action}", {"path": {"id": params["sessionID"]}, **more}


def _reply(params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    body = {name: params[name] for name in ("reply", "message") if params.get(name)}
    return _post("/permission/{requestID}/reply", {"requestID": params["requestID"]}, body)


def _update(params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"title": params["title"]} if "title" in params else {}
    if "archived" in params:
        body["time"] = {"archived": params["archived"]}
    return _on_session("update", params, body=body)


_CALLS: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]] = {
    "permission.reply": _reply,
    "question.reply": lambda p: _post(
        "/question/{requestID}/reply", {"requestID": p["requestID"]}, {"answers": p["answers"]}
    ),
    "question.reject": lambda p: _post("/question/{requestID}/reject", {"requestID": p["requestID"]}, {}),
    "session.messages": lambda p: _on_session("messages", p, query={"limit": p.get("limit", 50)}),
    "session.todo": lambda p: _on_session("todo", p),
    "session.diff": lambda p: _on_session("diff", p),
    "session.abort": lambda p: _on_session("abort", p),
    "session.delete": lambda p: _on_session("delete", p),
    "session.fork": lambda p: _on_session("fork", p, body={}),
    "session.update": _update,
    "session.prompt": lambda p: _on_session("promptAsync", p, body={"parts": [{"type": "text", "text": p["text"]}]}),
    "tui.select": lambda p: _post("/tui/select-session", {}, {"sessionID": p["sessionID"]}),
}
