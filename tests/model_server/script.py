"""The script in a prompt: what the model does."""

from __future__ import annotations

import json
from typing import Any

import msgspec

TITLE = "Scripted title"


class Step(msgspec.Struct, frozen=True):
    """What the model does with one request: one of these, in this order."""

    http: int = 0  # refuse with this status
    retry_after: float = 1  # s, of a refusal
    headers: dict[str, str] = {}  # of a refusal
    broken: bool = False  # break the stream
    calls: list[Any] = []  # [[tool, arguments], …]
    words: list[str] = []  # the text to stream
    pause: float = 0.01  # s after each word


class Scripts:
    """Reads the scripts, and remembers the prompts and how often each was refused."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.named: dict[str, dict[str, Any]] = {}  # the scripts of prompts that do not contain one, by their text
        self.served = 0  # responses, without titles and refusals
        self._refused: dict[str, int] = {}

    def step(self, prompt: str, done: int) -> Step:
        """Return what to do with a request for the newest prompt, of which `done` steps are answered already."""
        if not done:
            self.prompts.append(prompt)
        script = _script(prompt) or self._named(prompt)
        if self._refused.get(prompt, 0) < script.get("times", 1) and "http" in script:
            self._refused[prompt] = self._refused.get(prompt, 0) + 1
            return Step(
                http=script["http"], retry_after=script.get("retry_after", 1), headers=script.get("headers", {})
            )
        if script.get("broken"):
            return Step(broken=True)
        self.served += 1
        calls = script.get("calls", [])
        if done < len(calls):
            return Step(calls=calls[done])
        words = [f"word{number}" for number in range(script.get("words", 3))]
        return Step(words=words, pause=script.get("pause", 0.01))

    def title(self, prompt: str) -> str:
        """Return the title for a prompt: that of its script, else TITLE."""
        return str((_script(prompt) or self._named(prompt)).get("title", TITLE))

    def _named(self, prompt: str) -> dict[str, Any]:
        return next((script for text, script in self.named.items() if text in prompt), {})


def _script(prompt: str) -> dict[str, Any]:
    _, mark, script = prompt.partition("##")  # a script may contain the script of a subagent
    if not mark:
        return {}
    parsed, _ = json.JSONDecoder().raw_decode(script)
    return dict(parsed)
