"""A scripted model with the API that OpenCode calls: the script follows `##` in the prompt.

`{"words": 20, "pause": 0.05}` streams so many words. `{"calls": [[["bash", {"command": "ls"}]]]}` makes tool calls, one
inner list a step, then streams its words. `{"http": 429, "times": 2}` refuses so often, then goes on.
`{"broken": true}` breaks the stream. A request without tools is OpenCode asking for a title.
"""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, Self

from aiohttp import web

TITLE = "Scripted title"
USAGE = {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234}


class ModelServer:
    """Listens on a free loopback port, in its own thread. A context manager."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.port = 0
        self._refused: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

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
        application.router.add_post("/v1/chat/completions", self._complete)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if not asked.get("tools"):
            return await _stream(request, TITLE.split(" "), 0)
        prompt, done = _last_prompt(asked["messages"])
        if not done:
            self.prompts.append(prompt)
        script = _script(prompt)
        if self._refused.get(prompt, 0) < script.get("times", 1) and "http" in script:
            self._refused[prompt] = self._refused.get(prompt, 0) + 1
            error = {"error": {"message": f"scripted {script['http']}", "type": "scripted"}}
            return web.json_response(error, status=script["http"], headers={"retry-after": "1"})
        if script.get("broken"):
            return await _broken(request)
        calls = script.get("calls", [])
        if done < len(calls):
            return await _call(request, calls[done])
        return await _stream(request, [f"word{n}" for n in range(script.get("words", 3))], script.get("pause", 0.01))


def _last_prompt(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """Return the newest prompt with a script, and the number of steps already answered."""
    prompt, done = "", 0
    for message in messages:
        content = message.get("content")
        text = content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [])
        if message["role"] == "user":
            prompt, done = text, 0
        elif message["role"] == "assistant":
            done += 1
    return prompt, done


def _script(prompt: str) -> dict[str, Any]:
    _, mark, script = prompt.partition("##")
    if not mark:
        return {}
    parsed, _ = json.JSONDecoder().raw_decode(script)
    return dict(parsed)


async def _open(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    return response


async def _send(response: web.StreamResponse, delta: dict[str, Any], finish: str | None = None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "model": "fake-1", "choices": [choice]}
    if finish is not None:
        chunk["usage"] = USAGE
    await response.write(f"data: {json.dumps(chunk)}\n\n".encode())


async def _stream(request: web.Request, words: list[str], pause: float) -> web.StreamResponse:
    response = await _open(request)
    try:
        for word in words:
            await _send(response, {"role": "assistant", "content": f"{word} "})
            await asyncio.sleep(pause)
        await _send(response, {}, "stop")
        await response.write(b"data: [DONE]\n\n")
    except ConnectionError:
        pass  # the user stopped the turn
    return response


async def _call(request: web.Request, calls: list[list[Any]]) -> web.StreamResponse:
    response = await _open(request)
    tools = [
        {"index": n, "id": f"call_{id(request)}_{n}", "type": "function",
         "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(calls)
    ]  # fmt: skip
    await _send(response, {"role": "assistant", "tool_calls": tools})
    await _send(response, {}, "tool_calls")
    await response.write(b"data: [DONE]\n\n")
    return response


async def _broken(request: web.Request) -> web.StreamResponse:
    response = await _open(request)
    await response.write(b"data: {broken\n\n")
    return response
