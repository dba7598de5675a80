"""OpenAI's Responses, as Codex calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from model_server.script import Scripts, Step

USAGE = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 300},
    "output_tokens": 34,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 1234,
}
LIMITS = {  # of the user's plan; the times are in s since the Unix epoch
    "x-codex-primary-used-percent": "37.5",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-at": "4000000000",
    "x-codex-secondary-used-percent": "9",
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-at": "4000000000",
}


class OpenAIResponses:
    """Answers `POST /v1/responses`. A request for a JSON object is for a title."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._count = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self._count += 1
        step = self._title(asked) if "format" in asked["text"] else self._scripts.step(*_last_prompt(asked["input"]))
        if step.http:
            error = {"error": {"message": f"scripted {step.http}", "type": "invalid_request_error", "code": "scripted"}}
            return web.json_response(error, status=step.http, headers={"retry-after": str(step.retry_after)})
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **LIMITS})
        await response.prepare(request)
        if step.broken:
            await response.write(b"data: {broken\n\n")
            return response
        answer = {"id": f"resp_{self._count}", "object": "response", "model": asked["model"]}
        try:
            await _send(response, "response.created", response={**answer, "status": "in_progress", "output": []})
            await (self._send_calls(response, step) if step.calls else self._send_text(response, step))
            await _send(response, "response.completed", response={**answer, "status": "completed", "usage": USAGE})
        except ConnectionError:
            pass  # the user stopped the turn
        return response

    def _title(self, asked: dict[str, Any]) -> Step:
        prompt, _ = _last_prompt(asked["input"])
        return Step(words=[json.dumps({"title": self._scripts.title(prompt)})], pause=0)

    async def _send_calls(self, response: web.StreamResponse, step: Step) -> None:
        for index, (name, arguments) in enumerate(step.calls):
            call_id = f"call_{self._count}_{index}"
            namespace, dot, tool = name.rpartition(".")
            item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": tool}
            if dot:
                item["namespace"] = namespace
            if isinstance(arguments, str):  # the input of a tool without a schema
                item = {**item, "type": "custom_tool_call", "id": f"ctc_{call_id}", "input": arguments}
            else:
                item["arguments"] = json.dumps(arguments)
            await _send(response, "response.output_item.added", output_index=index, item=item)
            await _send(response, "response.output_item.done", output_index=index, item=item)

    async def _send_text(self, response: web.StreamResponse, step: Step) -> None:
        message = {"type": "message", "role": "assistant", "id": f"msg_{self._count}"}
        await _send(response, "response.output_item.added", output_index=0, item={**message, "content": []})
        for word in step.words:
            await _send(
                response, "response.output_text.delta", item_id=message["id"], output_index=0, content_index=0,
                delta=f"{word} ",
            )  # fmt: skip
            await asyncio.sleep(step.pause)
        content = [{"type": "output_text", "text": " ".join(step.words), "annotations": []}]
        await _send(response, "response.output_item.done", output_index=0, item={**message, "content": content})


async def _send(stream: web.StreamResponse, event: str, **fields: Any) -> None:
    data = json.dumps({"type": event, **fields})
    await stream.write(f"event: {event}\ndata: {data}\n\n".encode())


def _last_prompt(items: list[dict[str, Any]]) -> tuple[str, int]:
    """Return the newest prompt of the user, and the number of steps already answered."""
    prompt, answered = "", set[str]()
    for item in items:
        is_prompt = item.get("role") == "user" or item["type"] == "agent_message"  # the task of a subagent
        text = "".join(_texts(item)) if is_prompt else ""
        if text:
            prompt, answered = text, set()
        elif "call_id" in item:
            answered.add(item["call_id"].rpartition("_")[0])  # the calls of one step
    return prompt, len(answered)


def _texts(item: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of a message without what Codex adds."""
    for part in item.get("content") or []:
        text = part.get("text") or part.get("encrypted_content") or ""
        if not text.startswith(("<", "# AGENTS.md", "Message Type:")):
            yield text
