"""What a person wants done (plugin/PROTOCOL.md, "Calls"), as requests to OpenCode's HTTP server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import Api

Params = Mapping[str, Any]


class Calls:
    """The calls on one directory of a server. What stands in a path is checked here, the rest by OpenCode."""

    def __init__(self, api: Api, directory: str) -> None:
        self._api = api
        self._directory = directory

    async def do(self, method: str, params: Params) -> Any:
        """Carry it out; its answer as plain JSON values. Raises CallError, LockedError."""
        make = _METHODS.get(method)
        if make is None:
            raise CallError(f"{method} cannot be done over HTTP", CallErrorKind.UNSUPPORTED)
        return await make(self, params)

    # ------------------------------------------------------------------ requests

    async def reply_to_permission(self, params: Params) -> Any:
        """OpenCode says yes to an id that does not wait any more: so look first."""
        await self._waits("/permission", params)
        body = {name: params[name] for name in ("reply", "message") if params.get(name)}
        return await self._is_true(f"/permission/{_id(params, 'requestID')}/reply", body)

    async def reply_to_question(self, params: Params) -> Any:
        """A list of labels, or of words, for each question."""
        await self._waits("/question", params)
        return await self._is_true(f"/question/{_id(params, 'requestID')}/reply", {"answers": params["answers"]})

    async def reject_question(self, params: Params) -> Any:
        """The questions stay without an answer."""
        await self._waits("/question", params)
        return await self._is_true(f"/question/{_id(params, 'requestID')}/reject", {})

    async def _waits(self, path: str, params: Params) -> None:
        listed = await self._api.get(path, self._directory)
        if not isinstance(listed, list):
            raise CallError("OpenCode did not list what waits")
        if not any(isinstance(one, dict) and one.get("id") == params["requestID"] for one in listed):
            raise CallError("it does not wait any more", CallErrorKind.NOT_FOUND)

    async def _is_true(self, path: str, body: Params) -> Any:
        if await self._api.post(path, self._directory, body) is not True:
            raise CallError("this OpenCode cannot do that", CallErrorKind.UNSUPPORTED)
        return {}

    # ------------------------------------------------------------------ sessions

    async def _session(self, params: Params) -> str:
        """The path of a session that is there: abort and delete say yes to any."""
        path = f"/session/{_id(params, 'sessionID')}"
        found = await self._api.get(path, self._directory)
        if not isinstance(found, dict) or found.get("id") != params["sessionID"]:
            raise CallError("there is no such session", CallErrorKind.NOT_FOUND)
        return path

    async def abort(self, params: Params) -> Any:
        """Stop its turn."""
        await self._api.post(f"{await self._session(params)}/abort", self._directory)
        return {}

    async def remove(self, params: Params) -> Any:
        """Delete it; stopped first, or it stays busy for ever."""
        path = await self._session(params)
        await self._api.post(f"{path}/abort", self._directory)
        await self._api.delete(path, self._directory)
        return {}

    async def fork(self, params: Params) -> Any:
        """A new session that begins as a copy of it."""
        forked = await self._api.post(f"{await self._session(params)}/fork", self._directory, {})
        return {name: forked[name] for name in ("id", "title") if name in forked} if isinstance(forked, dict) else {}

    async def update(self, params: Params) -> Any:
        """Another title, or put away."""
        body: dict[str, Any] = {"title": params["title"]} if "title" in params else {}
        if "archived" in params:
            body["time"] = {"archived": params["archived"]}
        await self._api.patch(await self._session(params), self._directory, body)
        return {}

    async def prompt(self, params: Params) -> Any:
        """Begin a turn, without waiting for its end."""
        parts = [{"type": "text", "text": params["text"]}]
        await self._api.post(f"{await self._session(params)}/prompt_async", self._directory, {"parts": parts})
        return {}

    async def messages(self, params: Params) -> Any:
        """The newest messages."""
        limit = params.get("limit", 50)
        listed = await self._api.get(f"{await self._session(params)}/message", self._directory, limit=limit)
        return listed[-limit:] if isinstance(listed, list) else []

    async def todos(self, params: Params) -> Any:
        """The todo list."""
        return await self._api.get(f"{await self._session(params)}/todo", self._directory)

    async def diff(self, params: Params) -> Any:
        """What it changed in files. OpenCode 1.18 tells it for each prompt: then it is that of the newest."""
        path = await self._session(params)
        whole = await self._api.get(f"{path}/diff", self._directory)
        if whole:
            return whole
        messages = await self._api.get(f"{path}/message", self._directory, limit=50)
        roles = [message.get("info", {}) for message in messages if isinstance(message, dict)]
        prompts = [info["id"] for info in roles if info.get("role") == "user" and isinstance(info.get("id"), str)]
        return await self._api.get(f"{path}/diff", self._directory, messageID=prompts[-1]) if prompts else []

    async def show(self, params: Params) -> Any:
        """Have the terminal UIs of this OpenCode show it."""
        await self._session(params)
        return await self._is_true("/tui/select-session", {"sessionID": params["sessionID"]})


_METHODS: Mapping[str, Callable[[Calls, Params], Awaitable[Any]]] = {
    "permission.reply": Calls.reply_to_permission,
    "question.reply": Calls.reply_to_question,
    "question.reject": Calls.reject_question,
    "session.abort": Calls.abort,
    "session.delete": Calls.remove,
    "session.fork": Calls.fork,
    "session.update": Calls.update,
    "session.prompt": Calls.prompt,
    "session.messages": Calls.messages,
    "session.todo": Calls.todos,
    "session.diff": Calls.diff,
    "tui.select": Calls.show,
}


def _id(params: Params, name: str) -> str:
    """An id that can stand in a path. Raises CallError."""
    text = params.get(name)
    if not isinstance(text, str) or not text.isascii() or not text.replace("_", "").replace("-", "").isalnum():
        raise CallError(f"{str(text)[:40]!r} is no id", CallErrorKind.NOT_FOUND)
    return text
