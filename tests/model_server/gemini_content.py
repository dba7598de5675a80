"""Gemini's generateContent, as Gemini CLI calls it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from model_server.script import TITLE, Scripts, Step

USAGE = {"promptTokenCount": 1200, "candidatesTokenCount": 34, "totalTokenCount": 1234}


class GeminiContent:
    """Answers `POST /v1beta/models/MODEL:METHOD`. A request without tools is for a title."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def complete(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        has_tools = bool(asked.get("tools"))
        step = self._scripts.step(*_last_prompt(asked["contents"])) if has_tools else Step(words=TITLE.split(" "))
        if step.http:
            error = {"error": {"code": step.http, "message": f"scripted {step.http}", "status": "INVALID_ARGUMENT"}}
            return web.json_response(error, status=step.http)
        if request.match_info["method"] == "generateContent":
            parts = [{"text": " ".join(step.words)}] if step.words else _calls(step)
            return web.json_response(_content(parts, "STOP"))
        return await _stream(request, step)


def _last_prompt(contents: list[dict[str, Any]]) -> tuple[str, int]:
    """Return the newest prompt of the user, and the number of steps already answered."""
    prompt, done = "", 0
    for content in contents:
        texts = [text for part in content["parts"] if (text := part.get("text", "")).strip()]
        if content["role"] == "model":
            done += 1
        elif texts:
            prompt, done = texts[-1], 0  # those before were interrupted, or describe the environment
    return prompt, done


async def _stream(request: web.Request, step: Step) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    if step.broken:
        await response.write(b"data: {broken\n\n")
        return response
    try:
        for word in step.words:
            await _send(response, [{"text": f"{word} "}])
            await asyncio.sleep(step.pause)
        await _send(response, _calls(step), "STOP")
    except ConnectionError:
        pass  # the user stopped the turn
    return response


def _calls(step: Step) -> list[dict[str, Any]]:
    return [{"functionCall": {"name": name, "args": arguments}} for name, arguments in step.calls]


async def _send(response: web.StreamResponse, parts: list[dict[str, Any]], finish: str = "") -> None:
    await response.write(f"data: {json.dumps(_content(parts, finish))}\r\n\r\n".encode())


def _content(parts: list[dict[str, Any]], finish: str) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "scripted"}
