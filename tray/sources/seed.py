"""opencode-monitor's own plugin: its snapshot, which it does not push but is read, and what a person asks of it.

It calls `client[namespace][action](params)` and answers with the `data` alone, so a call that OpenCode refused looks
like one that returned nothing: only OpenCode's own event tells that an answer arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tray.core.calls import PATIENCE, CallError, Why
from tray.core.events import SnapshotTaken
from tray.sources.link import Link, decode_answer
from tray.sources.snapshot import decode_snapshot, digest_of, limits_of
from tray.sources.wire import WRONG, FrameError

READ_TIMEOUT = 10.0  # s for one call
RECENT = 24 * 3600_000  # ms; an older session that is quiet is history
MAX_DIGESTS = 5  # sessions whose messages are read; a long one is megabytes


async def read_seed_snapshot(link: Link, now: Callable[[], int]) -> SnapshotTaken:
    """Read what can be read; what cannot is absent. Never calls anything that changes something."""
    read = await asyncio.gather(
        _read(link, "session.list"),
        _read(link, "session.status"),
        _read(link, "_client.get", {"url": "/permission"}),
        _read(link, "_client.get", {"url": "/question"}),
        _read(link, "config.providers"),
    )
    *sections, providers = read
    names = ("sessions", "status", "permissions", "questions")
    told: dict[str, Any] = {name: section for name, section in zip(names, sections, strict=True) if section is not None}
    if providers is not None:
        told["limits"] = _limits(providers)
    if "sessions" in told:
        told["sessions"] = await _worth_showing(link, told, now())
    try:
        return decode_snapshot(link.server.id, msgspec.json.encode(told), now())
    except FrameError:
        return SnapshotTaken(link.server.id)  # nothing usable was said: events alone must do


async def _read(link: Link, method: str, params: dict[str, Any] | None = None) -> Any:
    try:
        return msgspec.json.decode(await link.call(method, params, READ_TIMEOUT))
    except (CallError, *WRONG):
        return None


def _limits(providers: Any) -> dict[str, Any]:
    try:
        return dict(limits_of(msgspec.Raw(msgspec.json.encode(providers))))
    except FrameError:
        return {}


async def _worth_showing(link: Link, told: dict[str, Any], at: int) -> list[Any]:
    """The sessions that are recent, run or wait, with a digest for the few whose messages matter now."""
    listed = _dicts(told["sessions"])
    busy = set(told["status"]) if isinstance(told.get("status"), dict) else set()
    waiting = {r.get("sessionID") for name in ("permissions", "questions") for r in _dicts(told.get(name))}
    active = busy | waiting
    shown = [s for s in listed if s.get("id") in active or _updated(s) > at - RECENT]
    newest = sorted(shown, key=lambda s: (s.get("id") in active, _updated(s)), reverse=True)
    for session in newest[:MAX_DIGESTS]:
        messages = await _read(link, "session.messages", {"path": {"id": session.get("id")}})
        if messages is not None:
            session["digest"] = _digest(messages)
    return shown


def _dicts(items: Any) -> list[dict[str, Any]]:
    """The records of a list, without those whose ids are no ids."""
    records = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [item for item in records if all(isinstance(item.get(name, ""), str) for name in ("id", "sessionID"))]


def _updated(session: dict[str, Any]) -> float:
    time = session.get("time")
    updated = time.get("updated") if isinstance(time, dict) else None
    return updated if isinstance(updated, (int, float)) else 0


def _digest(messages: Any) -> dict[str, Any]:
    try:
        return dict(digest_of(msgspec.Raw(msgspec.json.encode(messages))))
    except FrameError:
        return {}


async def call_seed(link: Link, method: str, params: Mapping[str, Any]) -> Any:
    """One of our own calls (plugin/PROTOCOL.md) in that plugin's form. Raises CallError."""
    translate = _CALLS.get(method)
    if translate is None:
        raise CallError("opencode-monitor's plugin cannot do that; install OpenCode Tray's own", Why.UNSUPPORTED)
    theirs, given = translate(params)
    result = decode_answer(await link.call(theirs, given, PATIENCE))
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
