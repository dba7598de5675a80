"""Seals records and publishes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tray.core.team import Topic
from tray.sources.team.broker_connection import Message
from tray.sources.team.sealing import Sealer


class Outbox:
    """Publishes as one tray of a team."""

    def __init__(self, team: str, sealer: Sealer, publish: Callable[[Message], Awaitable[None]]) -> None:
        self._team = team
        self._sealer = sealer
        self._publish = publish

    def message(self, kind: str, record: Any, *, is_retained: bool = False, is_confirmed: bool = True) -> Message:
        """Return a record as it is published on a topic of this tray."""
        topic = Topic(self._team, self._sealer.id, kind)
        return Message(str(topic), self._sealer.seal(topic, record), is_retained, is_confirmed)

    async def publish(self, kind: str, record: Any, *, is_retained: bool = False, is_confirmed: bool = True) -> None:
        """Publish on a topic of this tray. Raises NotConnectedError."""
        await self._publish(self.message(kind, record, is_retained=is_retained, is_confirmed=is_confirmed))

    async def send(self, tray_id: str, kind: str, record: Any, box: str = "") -> None:
        """Publish on a topic of another tray; with its key `box`, only it can read it.

        Raises NotConnectedError; ValueError for an invalid key.
        """
        topic = Topic(self._team, tray_id, kind)
        await self._publish(Message(str(topic), self._sealer.seal(topic, record, box)))
