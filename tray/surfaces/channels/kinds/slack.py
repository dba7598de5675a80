"""Slack: an app of the user in Socket Mode (https://docs.slack.dev/apis/events-api/using-socket-mode).

Nothing has to be reachable. Buttons, and texts in the thread of a message, count only from the user of the settings.
"""

from __future__ import annotations

import json
import logging
import re
from html import unescape
from typing import Any

import aiohttp

from tray.surfaces.channels import http
from tray.surfaces.channels.channel import (
    ChannelContext,
    ChannelError,
    ChannelKind,
    ChannelMessage,
    ChannelSetupError,
    Limits,
    Press,
    Pressed,
)
from tray.surfaces.channels.listening import keep_listening
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

SERVER = "https://slack.com"
GONE = ("message_not_found", "cant_update_message", "msg_too_long", "invalid_blocks", "edit_window_closed")
TEMPORARY = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_CODE = re.compile(r"[a-z_]{1,60}$")  # the form of Slack's errors: any other text might repeat a token
HEARTBEAT = 30.0  # s


class Slack:
    """One user in one workspace."""

    limits = Limits(text=2800, buttons=10, label=75)  # a section has at most 3000 characters

    def __init__(self, context: ChannelContext) -> None:
        options = context.options
        self._http = context.http
        self._listening = context.listening
        self._server = str(options.get("server", SERVER)).rstrip("/")
        self._token, self._app_token = str(options["token"]), str(options.get("app_token", ""))
        self._user = str(options["user"])
        self._channel = str(options.get("channel") or self._user)
        if not self._token.startswith("xoxb-") or (self._app_token and not self._app_token.startswith("xapp-")):
            raise ChannelSetupError("token begins with xoxb-, app_token with xapp-")
        if not self._app_token:
            self.limits = Limits(text=2800)  # a press would not be received

    async def _call(self, method: str, token: str = "", **fields: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token or self._token}"}
        answer = await http.call(self._http, "POST", f"{self._server}/api/{method}", json=fields, headers=headers)
        if answer.get("ok") is not True:
            reason = found[0] if (found := _CODE.match(str(answer.get("error", "")))) else ""
            is_gone, is_temporary = reason in GONE, reason in TEMPORARY or not reason
            text = reason or "its answer is not that of Slack"
            raise ChannelError(text, is_permanent=is_gone, is_refused=not (is_gone or is_temporary))
        return answer

    async def check(self) -> str:
        """Return the name of the workspace."""
        return str((await self._call("auth.test")).get("team", ""))

    async def send(self, message: ChannelMessage) -> str:
        """Send a message with its buttons."""
        sent = await self._call("chat.postMessage", channel=self._channel, **_content(message))
        return f"{sent.get('channel', '')}:{sent.get('ts', '')}"

    async def replace(self, reference: str, message: ChannelMessage) -> str:
        """Change text and buttons of a message."""
        channel, _, ts = reference.partition(":")
        await self._call("chat.update", channel=channel, ts=ts, **_content(message))
        return reference

    async def finish(self, reference: str, message: ChannelMessage) -> None:
        """Remove the buttons, and say how it ended."""
        await self.replace(reference, message)

    # ------------------------------------------------------------------ answers

    async def listen(self, press: Press) -> None:
        """Pass on the presses and texts of the user. Slack closes a connection from time to time."""
        if self._app_token:
            await keep_listening("Slack", lambda handling: self._read(press, handling))

    async def _read(self, press: Press, handling: TaskSet) -> None:
        opened = await self._call("apps.connections.open", self._app_token)
        try:
            async with self._http.ws_connect(str(opened.get("url", "")), heartbeat=HEARTBEAT) as socket:
                self._listening()
                async for frame in socket:
                    if frame.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    envelope = _dict(frame.json())
                    if envelope.get("envelope_id"):  # Slack repeats what is not confirmed within 3 s
                        await socket.send_json({"envelope_id": envelope["envelope_id"]})
                        handling.spawn(self._take(envelope, press), "event of Slack")
                    if envelope.get("type") == "disconnect":
                        return
        except (aiohttp.ClientError, OSError, json.JSONDecodeError) as error:
            raise ChannelError("the connection was lost") from error

    async def _take(self, envelope: dict[str, Any], press: Press) -> None:
        payload = _dict(envelope.get("payload"))
        try:
            if envelope.get("type") == "interactive" and payload.get("type") == "block_actions":
                await self._take_press(payload, press)
            elif envelope.get("type") == "events_api":
                await self._take_text(_dict(payload.get("event")), press)
        except ChannelError as error:
            log.info("Slack does not take the result of an answer: %s", error)
        except Exception:  # of one event; the others are taken
            log.exception("cannot handle an event of Slack")

    async def _take_press(self, payload: dict[str, Any], press: Press) -> None:
        user, channel = _dict(payload.get("user")), str(_dict(payload.get("channel")).get("id", ""))
        if user.get("id") != self._user:
            await self._tell(channel, str(user.get("id", "")), "These buttons belong to another user")
            return
        for action in payload.get("actions") or []:
            said = await press(Pressed(str(user.get("name") or self._user), str(_dict(action).get("value", ""))))
            await self._tell(channel, self._user, said)

    async def _take_text(self, event: dict[str, Any], press: Press) -> None:
        thread, channel = event.get("thread_ts"), str(event.get("channel", ""))
        if event.get("type") == "message" and event.get("user") == self._user and thread and not event.get("bot_id"):
            pressed = Pressed(self._user, "", _plain(str(event.get("text", ""))), f"{channel}:{thread}")
            await self._call("chat.postMessage", channel=channel, thread_ts=thread, text=await press(pressed))

    async def _tell(self, channel: str, user: str, text: str) -> None:
        await self._call("chat.postEphemeral", channel=channel, user=user, text=text)


def _content(message: ChannelMessage) -> dict[str, Any]:
    """Return the fields of a message. Its text is plain: nothing in it is markup or mentions a user."""
    text = "\n".join(filter(None, (message.title, message.text, message.outcome)))
    blocks: list[dict[str, Any]] = [{"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}]
    if message.answers:
        blocks.append({"type": "actions", "elements": [_button(label, code) for label, code in message.answers]})
    return {"text": message.title, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _button(label: str, code: str) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": label}, "action_id": code[:2], "value": code}


def _plain(text: str) -> str:
    """Return a text as it was typed: Slack escapes three characters, and encloses addresses in angle brackets."""
    return unescape(re.sub(r"<([^>|]+)(?:\|[^>]*)?>", r"\1", text))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


CHANNEL = ChannelKind(
    "Slack",
    Slack,
    needed=("token", "user"),
    optional=("app_token", "channel", "server"),
    secrets=("token", "app_token"),
)
