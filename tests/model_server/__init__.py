"""A scripted model with the APIs that the agents call: the script follows `##` in the prompt.

`{"words": 20, "pause": 0.05}` streams 20 words. `{"calls": [[["bash", {"command": "ls"}]]]}` makes tool calls, one
inner list a step, then streams its words. `{"http": 429, "times": 2, "retry_after": 1}` refuses so often, with this
delay in seconds, and then goes on. `{"broken": true}` breaks the stream. Requests for a title get one.
To Codex, `{"title": "Fix it"}` gives this title.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Self

from aiohttp import web

from model_server.anthropic_messages import AnthropicMessages
from model_server.chat_completions import ChatCompletions
from model_server.gemini_content import GeminiContent
from model_server.openai_responses import OpenAIResponses
from model_server.script import TITLE, Scripts

GEMINI_PATH = "/v1beta/models/{model}:{method:generateContent|streamGenerateContent}"

__all__ = ["TITLE", "ModelServer"]


class ModelServer:
    """Listens on a free loopback port, in its own thread. A context manager."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._host = host
        self.port = 0
        self._scripts = Scripts()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    @property
    def named(self) -> dict[str, dict[str, Any]]:
        """The scripts of prompts that do not contain one, by their text: each agent shows a prompt as it is."""
        return self._scripts.named

    @property
    def prompts(self) -> list[str]:
        """The prompts that were received, oldest first."""
        return self._scripts.prompts

    @property
    def served(self) -> int:
        """The number of responses so far, without titles and refusals."""
        return self._scripts.served

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application(client_max_size=1 << 26)
        application.router.add_post("/v1/chat/completions", ChatCompletions(self._scripts).complete)
        application.router.add_post("/v1/messages", AnthropicMessages(self._scripts).complete)
        application.router.add_post("/v1/responses", OpenAIResponses(self._scripts).complete)
        application.router.add_post(GEMINI_PATH, GeminiContent(self._scripts).complete)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, self._host, 0).start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()
