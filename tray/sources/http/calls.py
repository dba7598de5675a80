"""The calls of plugin/PROTOCOL.md ("Calls") as requests to OpenCode's HTTP server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import Api

MESSAGES = 50  # messages that are returned by default, and searched for the newest prompt

Params = Mapping[str, Any]


class DirectoryCalls:
    """Calls on one directory of a server. Parameters that become part of a path are checked here, others by OpenCode.

    All methods raise CallError and LockedError.
    """

    def __init__(self, api: Api, directory: str) -> None:
        self._api = api
        self._directory = directory

    async def call(self, method: str, params: Params) -> Any:
        """Call a method; return its result as plain JSON values."""
        function = _METHODS.get(method)
        if function is None:
            raise CallError(f"{method} is not supported over HTTP", CallErrorKind.UNSUPPORTED)
        return await function(self, params)

    # ------------------------------------------------------------------ requests

    async def reply_to_permission(self, params: Params) -> Any:
        """Answer a permission."""
        await self._check_is_pending("/permission", params)
        body = {name: params[name] for name in ("reply", "message") if params.get(name)}
        return await self._post_expecting_true(f"/permission/{_id(params, 'requestID')}/reply", body)

    async def reply_to_question(self, params: Params) -> Any:
        """Answer the questions of a request: for each one a list of labels or of the user's own texts."""
        await self._check_is_pending("/question", params)
        body = {"answers": params["answers"]}
        return await self._post_expecting_true(f"/question/{_id(params, 'requestID')}/reply", body)

    async def reject_question(self, params: Params) -> Any:
        """Refuse to answer the questions of a request."""
        await self._check_is_pending("/question", params)
        return await self._post_expecting_true(f"/question/{_id(params, 'requestID')}/reject", {})

    async def _check_is_pending(self, path: str, params: Params) -> None:
        """Raise CallError if the request is not pending: OpenCode accepts answers to such ids as well."""
        pending = await self._api.get(path, self._directory)
        if not isinstance(pending, list):
            raise CallError("OpenCode did not list its pending requests")
        if not any(isinstance(request, dict) and request.get("id") == params["requestID"] for request in pending):
            raise CallError("the request is no longer pending", CallErrorKind.NOT_FOUND)

    async def _post_expecting_true(self, path: str, body: Params) -> Any:
        if await self._api.post(path, self._directory, body) is not True:
            raise CallError("this version of OpenCode does not support that", CallErrorKind.UNSUPPORTED)
        return {}

    # ------------------------------------------------------------------ sessions

    async def _session_path(self, params: Params) -> str:
        """Return the path of an existing session: OpenCode aborts and deletes any id without an error."""
        path = f"/session/{_id(params, 'sessionID')}"
        session = await self._api.get(path, self._directory)
        if not isinstance(session, dict) or session.get("id") != params["sessionID"]:
            raise CallError("the session does not exist", CallErrorKind.NOT_FOUND)
        return path

    async def abort(self, params: Params) -> Any:
        """Stop the turn of a session."""
        await self._api.post(f"{await self._session_path(params)}/abort", self._directory)
        return {}

    async def delete(self, params: Params) -> Any:
        """Stop and delete a session. Without the stop, OpenCode would report it as busy for ever."""
        path = await self._session_path(params)
        await self._api.post(f"{path}/abort", self._directory)
        await self._api.delete(path, self._directory)
        return {}

    async def fork(self, params: Params) -> Any:
        """Copy a session; return the id and title of the copy."""
        fork = await self._api.post(f"{await self._session_path(params)}/fork", self._directory, {})
        return {name: fork[name] for name in ("id", "title") if name in fork} if isinstance(fork, dict) else {}

    async def update(self, params: Params) -> Any:
        """Set the title of a session, or archive it."""
        body: dict[str, Any] = {"title": params["title"]} if "title" in params else {}
        if "archived" in params:
            body["time"] = {"archived": params["archived"]}
        await self._api.patch(await self._session_path(params), self._directory, body)
        return {}

    async def create(self, params: Params) -> Any:
        """Start a session with a prompt, beside an existing session; return its id and title."""
        await self._session_path(params)
        created = await self._api.post("/session", self._directory, {})
        if not isinstance(created, dict) or not isinstance(created.get("id"), str):
            raise CallError("the server created no session")
        await self.prompt({"sessionID": created["id"], "text": params["text"]})
        return {name: created[name] for name in ("id", "title") if name in created}

    async def prompt(self, params: Params) -> Any:
        """Send a prompt, without waiting for the end of the turn."""
        parts = [{"type": "text", "text": params["text"]}]
        await self._api.post(f"{await self._session_path(params)}/prompt_async", self._directory, {"parts": parts})
        return {}

    async def messages(self, params: Params) -> Any:
        """Return the newest messages of a session."""
        limit = params.get("limit", MESSAGES)
        messages = await self._api.get(f"{await self._session_path(params)}/message", self._directory, limit=limit)
        return messages[-limit:] if isinstance(messages, list) else []

    async def todos(self, params: Params) -> Any:
        """Return the todo list of a session."""
        return await self._api.get(f"{await self._session_path(params)}/todo", self._directory)

    async def diff(self, params: Params) -> Any:
        """Return the file changes of a session. OpenCode 1.18 returns only those of one prompt: the newest is used."""
        path = await self._session_path(params)
        changes = await self._api.get(f"{path}/diff", self._directory)
        if changes:
            return changes
        prompts = _prompt_ids(await self._api.get(f"{path}/message", self._directory, limit=MESSAGES))
        return await self._api.get(f"{path}/diff", self._directory, messageID=prompts[-1]) if prompts else []

    async def show(self, params: Params) -> Any:
        """Show a session in the terminal UIs that are attached to this server."""
        await self._session_path(params)
        return await self._post_expecting_true("/tui/select-session", {"sessionID": params["sessionID"]})


_METHODS: Mapping[str, Callable[[DirectoryCalls, Params], Awaitable[Any]]] = {
    "permission.reply": DirectoryCalls.reply_to_permission,
    "question.reply": DirectoryCalls.reply_to_question,
    "question.reject": DirectoryCalls.reject_question,
    "session.abort": DirectoryCalls.abort,
    "session.delete": DirectoryCalls.delete,
    "session.fork": DirectoryCalls.fork,
    "session.update": DirectoryCalls.update,
    "session.create": DirectoryCalls.create,
    "session.prompt": DirectoryCalls.prompt,
    "session.messages": DirectoryCalls.messages,
    "session.todo": DirectoryCalls.todos,
    "session.diff": DirectoryCalls.diff,
    "tui.select": DirectoryCalls.show,
}


def _id(params: Params, name: str) -> str:
    """Return an id that is safe as part of a path. Raises CallError."""
    text = params.get(name)
    if not isinstance(text, str) or not text.isascii() or not text.replace("_", "").replace("-", "").isalnum():
        raise CallError(f"invalid id {str(text)[:40]!r}", CallErrorKind.NOT_FOUND)
    return text


def _prompt_ids(messages: Any) -> list[str]:
    """Return the ids of the user's messages, the oldest first."""
    listed = messages if isinstance(messages, list) else []
    infos = [message.get("info") for message in listed if isinstance(message, dict)]
    users = [info for info in infos if isinstance(info, dict) and info.get("role") == "user"]
    return [info["id"] for info in users if isinstance(info.get("id"), str)]
