"""The responses of a model in a transcript that have not been reported yet."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.messages import Message


class NewSteps:
    """Collects responses while a transcript is read. A later line about the same response replaces it."""

    def __init__(self) -> None:
        self._changed: dict[str, Message] = {}

    def add(self, message: Message) -> None:
        """Take a response that was added or has changed."""
        self._changed[message.id] = message

    def take(self, prefix: str = "") -> tuple[Message, ...]:
        """Return what was added or has changed since the last call. `prefix` makes the ids unique."""
        taken = tuple(self._changed.values())
        self._changed.clear()
        return tuple(replace(message, id=prefix + message.id) for message in taken) if prefix else taken
