"""Anthropic's Messages, as Claude Code calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from model_server.script import TITLE, Scripts, Step

USAGE = {"input_tokens": 1200, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 300, "output_tokens": 34}
REMINDER_END = "</system-reminder>"


class AnthropicMessages:
    """Answers `POST /v1/messages`. A request without tools is for a title."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._count = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self._count += 1
        prompt, done = _last_prompt(asked["messages"])
        step = self._scripts.step(prompt, done) if asked.get("tools") else Step(words=TITLE.split(" "), pause=0)
        if step.http:
            error = {"type": "error", "error": {"type": "invalid_request_error", "message": f"scripted {step.http}"}}
            headers = {"retry-after": str(step.retry_after), **step.headers}
            return web.json_response(error, status=step.http, headers=headers)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if step.broken:
            await response.write(b"data: {broken\n\n")
            return response
        message = {
            "id": f"msg_{self._count}", "type": "message", "role": "assistant", "model": asked["model"], "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": USAGE,
        }  # fmt: skip
        try:
            await _send(response, "message_start", message=message)
            await self._send_content(response, step)
            delta = {"stop_reason": "tool_use" if step.calls else "end_turn", "stop_sequence": None}
            await _send(response, "message_delta", delta=delta, usage={"output_tokens": 34})
            await _send(response, "message_stop")
        except ConnectionError:
            pass  # the user stopped the turn
        return response

    async def _send_content(self, response: web.StreamResponse, step: Step) -> None:
        for index, (name, arguments) in enumerate(step.calls):
            block = {"type": "tool_use", "id": f"toolu_{self._count}_{index}", "name": name, "input": {}}
            await _send(response, "content_block_start", index=index, content_block=block)
            delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
            await _send(response, "content_block_delta", index=index, delta=delta)
            await _send(response, "content_block_stop", index=index)
        if step.calls:
            return
        await _send(response, "content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word in step.words:
            await _send(response, "content_block_delta", index=0, delta={"type": "text_delta", "text": f"{word} "})
            await asyncio.sleep(step.pause)
        await _send(response, "content_block_stop", index=0)


async def _send(response: web.StreamResponse, event: str, **fields: Any) -> None:
    data = json.dumps({"type": event, **fields})
    await response.write(f"event: {event}\ndata: {data}\n\n".encode())


def _last_prompt(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """Return the newest prompt of the user, and the number of steps already answered."""
    prompt, done = "", 0
    for message in messages:
        text = "".join(_texts(message)) if message["role"] == "user" else ""
        if text.strip():
            prompt, done = text, 0
        elif message["role"] == "assistant":
            done += 1
    return prompt, done


def _texts(message: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of a message without the reminders that Claude Code adds."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        if block.get("type") == "text":
            yield block["text"].rpartition(REMINDER_END)[2]
