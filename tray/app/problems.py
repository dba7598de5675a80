"""Problems of the tray itself that the menu shows."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class Problems:
    """The current problem of each topic."""

    def __init__(self) -> None:
        self._by_topic: dict[str, str] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """All problems, oldest first."""
        return tuple(self._by_topic.values())

    def text(self, topic: str) -> str:
        """Return the problem of a topic; "" if it has none."""
        return self._by_topic.get(topic, "")

    def report(self, topic: str, text: str, *, is_logged: bool = False) -> None:
        """Set the problem of a topic; log it if it is new and not `is_logged` already."""
        if self._by_topic.get(topic) != text and not is_logged:
            log.warning("%s", text)
        self._by_topic[topic] = text

    def set(self, topic: str, text: str, *, is_logged: bool = False) -> None:
        """Set the problem of a topic as `report` does, or remove it if the text is ""."""
        if text:
            self.report(topic, text, is_logged=is_logged)
        else:
            self.clear(topic)

    def clear(self, topic: str) -> None:
        """Remove the problem of a topic."""
        self._by_topic.pop(topic, None)
