"""The plugin of opencode-monitor (protocol 1): read its snapshot and translate the tray's calls.

It calls `client[namespace][action](params)` and answers with `data` alone, so a call that OpenCode refused looks like
one without a result. Only OpenCode's events show whether a call had its effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tray.core.events import SnapshotTaken, SourceEvent
from tray.core.lenient_json import JSON_ERRORS
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind
from tray.sources.plugin.connection import PluginConnection, decode_result
from tray.sources.protocol.snapshot_reader import read_limits, take_snapshot

READ_TIMEOUT = 10.0  # s for one call


async def report_opencode_monitor(
    connection: PluginConnection, report: Callable[[SourceEvent], None], now: Callable[[], int]
) -> None:
    """Read and report a snapshot, then the events that came meanwhile; read it again if some of them were dropped."""
    is_complete = False
    while not is_complete:
        connection.hold()
        try:
            report(await _read_snapshot(connection, now))
        finally:
            is_complete = connection.release()


async def _read_snapshot(connection: PluginConnection, now: Callable[[], int]) -> SnapshotTaken:
    """Read a snapshot with calls that change nothing. Sections that cannot be read are None."""

    async def read(section: str, session: str = "", limit: int = 0) -> Any:
        translate = _READS.get(section)
        if translate is None:
            return None
        method, params = translate(session, limit)
        try:
            return msgspec.json.decode(await connection.call(method, params, READ_TIMEOUT))
        except (CallError, *JSON_ERRORS):
            return None

    server = connection.server
    snapshot = await take_snapshot(server.id, server.directory, read, now())
    return replace(snapshot, limits=(await read_limits(server.id, read)).limits)


_READS: Mapping[str, Callable[[str, int], tuple[str, dict[str, Any] | None]]] = {
    "sessions": lambda *_: ("session.list", None),
    "status": lambda *_: ("session.status", None),
    "permissions": lambda *_: ("_client.get", {"url": "/permission"}),
    "questions": lambda *_: ("_client.get", {"url": "/question"}),
    "providers": lambda *_: ("config.providers", None),
    "messages": lambda session, limit: ("session.messages", {"path": {"id": session}, "query": {"limit": limit}}),
}


async def call_opencode_monitor(connection: PluginConnection, method: str, params: Mapping[str, Any]) -> Any:
    """Make one of the tray's calls (plugin/PROTOCOL.md, "Calls") in that plugin's form. Raises CallError."""
    translate = _CALLS.get(method)
    if translate is None:
        raise CallError(
            "opencode-monitor's plugin cannot do that; install OpenCode Tray's plugin", CallErrorKind.UNSUPPORTED
        )
    monitor_method, monitor_params = translate(params)
    result = decode_result(await connection.call(monitor_method, monitor_params, CALL_TIMEOUT))
    return {} if result is None else result


def _post(url: str, path: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    headers = {"content-type": "application/json"}
    return "_client.post", {"url": url, "path": dict(path), "body": dict(body), "headers": headers}


def _session_call(action: str, params: Mapping[str, Any], **options: Any) -> tuple[str, dict[str, Any]]:
    return f"session.{action}", {"path": {"id": params["sessionID"]}, **options}


def _reply(params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    body = {name: params[name] for name in ("reply", "message") if params.get(name)}
    return _post("/permission/{requestID}/reply", {"requestID": params["requestID"]}, body)


def _update(params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    body: dict[str, Any] = {"title": params["title"]} if "title" in params else {}
    if "archived" in params:
        body["time"] = {"archived": params["archived"]}
    return _session_call("update", params, body=body)


_CALLS: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]] = {
    "permission.reply": _reply,
    "question.reply": lambda params: _post(
        "/question/{requestID}/reply", {"requestID": params["requestID"]}, {"answers": params["answers"]}
    ),
    "question.reject": lambda params: _post("/question/{requestID}/reject", {"requestID": params["requestID"]}, {}),
    "session.messages": lambda params: _session_call("messages", params, query={"limit": params.get("limit", 50)}),
    "session.todo": lambda params: _session_call("todo", params),
    "session.diff": lambda params: _session_call("diff", params),
    "session.abort": lambda params: _session_call("abort", params),
    "session.delete": lambda params: _session_call("delete", params),
    "session.fork": lambda params: _session_call("fork", params, body={}),
    "session.update": _update,
    "session.prompt": lambda params: _session_call(
        "promptAsync", params, body={"parts": [{"type": "text", "text": params["text"]}]}
    ),
    "tui.select": lambda params: _post("/tui/select-session", {}, {"sessionID": params["sessionID"]}),
}
