"""OpenAI's Chat Completions, as OpenCode calls them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from model_server.script import TITLE, Scripts, Step

USAGE = {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234}


class ChatCompletions:
    """Answers `POST /v1/chat/completions`."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def complete(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if not asked.get("tools"):
            return await _stream(request, Step(words=TITLE.split(" "), pause=0))
        step = self._scripts.step(*_last_prompt(asked["messages"]))
        if step.http:
            error = {"error": {"message": f"scripted {step.http}", "type": "scripted"}}
            return web.json_response(error, status=step.http, headers={"retry-after": str(step.retry_after)})
        if step.broken:
            return await _broken(request)
        if step.calls:
            return await _call(request, step.calls)
        return await _stream(request, step)


def _last_prompt(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """Return the newest prompt, and the number of steps already answered."""
    prompt, done = "", 0
    for message in messages:
        content = message.get("content")
        text = content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [])
        if message["role"] == "user":
            prompt, done = text, 0
        elif message["role"] == "assistant":
            done += 1
    return prompt, done


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


async def _stream(request: web.Request, step: Step) -> web.StreamResponse:
    response = await _open(request)
    try:
        for word in step.words:
            await _send(response, {"role": "assistant", "content": f"{word} "})
            await asyncio.sleep(step.pause)
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
