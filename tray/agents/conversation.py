"""The messages of a session, collected from the transcript of an agent.

They have the form of OpenCode's `session.messages`, so that everything that shows messages shows these too. All that
the agent does between two prompts is one message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tray.agents.transcripts import ABORTED
from tray.core.text import beginning

MAX_MESSAGE = 50_000  # characters kept of one text
MAX_TITLE = 200  # characters kept of what a tool does


class Conversation:
    """The newest messages. Times are in ms since the Unix epoch."""

    def __init__(self, author: str, limit: int) -> None:
        """`author` is the name of the agent. Older messages than the newest `limit` are dropped."""
        self.author = author
        self._messages: deque[dict[str, Any]] = deque(maxlen=limit)
        self._tools: dict[str, dict[str, Any]] = {}  # the states of the tools of the last message, by call id

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages, oldest first."""
        return list(self._messages)

    def prompt(self, at: int, text: str) -> None:
        """Add a prompt of the user."""
        self._add({"role": "user", "time": {"created": at}}, {"type": "text", "text": text[:MAX_MESSAGE]})

    def text(self, at: int, text: str) -> None:
        """Add a text of the agent."""
        self._of_agent(at)["parts"].append({"type": "text", "text": text[:MAX_MESSAGE]})

    def error(self, at: int, text: str) -> None:
        """Add why the agent's work ended early."""
        self._end(at, "APIError", text)

    def interruption(self, at: int) -> None:
        """Add that the user stopped the agent."""
        self._end(at, ABORTED, "Interrupted")

    def _end(self, at: int, error: str, text: str) -> None:
        self._of_agent(at)["info"]["error"] = {"name": error, "data": {"message": text[:MAX_MESSAGE]}}

    def tool(self, at: int, call_id: str, name: str, title: str) -> None:
        """Add a tool that the agent began to use."""
        state = {"status": "running", "title": beginning(title, MAX_TITLE) or name, "time": {"start": at}}
        self._of_agent(at)["parts"].append({"type": "tool", "tool": name, "state": state})
        self._tools[call_id] = state

    def result(self, at: int, call_id: str, *, failed: bool = False) -> None:
        """Take the end of a tool."""
        state = self._tools.pop(call_id, None)
        if state is not None:
            state["status"] = "error" if failed else "completed"
            state["time"]["end"] = at

    def _of_agent(self, at: int) -> dict[str, Any]:
        """Return the last message if it is the agent's, or else a new one."""
        if not self._messages or self._messages[-1]["info"]["role"] == "user":
            self._add({"role": "assistant", "agent": self.author, "time": {"created": at}})
        return self._messages[-1]

    def _add(self, info: dict[str, Any], *parts: dict[str, Any]) -> None:
        self._tools.clear()
        self._messages.append({"info": info, "parts": list(parts)})


AddLine = Callable[[Conversation, bytes], None]  # applies one line of a transcript; an invalid one changes nothing
