"""Messages of a session and their token counts."""

from __future__ import annotations

import msgspec


class Tokens(msgspec.Struct, frozen=True):
    """Token counts of a session or a message."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        """Add two counts."""
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )

    def __sub__(self, other: Tokens) -> Tokens:
        """Subtract counts."""
        return Tokens(
            self.input - other.input,
            self.output - other.output,
            self.reasoning - other.reasoning,
            self.cache_read - other.cache_read,
            self.cache_write - other.cache_write,
        )

    def without(self, other: Tokens) -> Tokens:
        """Subtract counts; no count is negative."""
        rest = self - other
        counts = (rest.input, rest.output, rest.reasoning, rest.cache_read, rest.cache_write)
        return Tokens(*(max(0, count) for count in counts))

    @property
    def total(self) -> int:
        """The number of tokens in the model's context after this message."""
        return self.input + self.output + self.reasoning + self.cache_read + self.cache_write


class Message(msgspec.Struct, frozen=True):
    """A message, with the fields that the fleet uses."""

    id: str
    role: str = "assistant"
    finish: str = ""
    error: str = ""
    error_text: str = ""
    agent: str = ""
    model: str = ""  # "provider/model"
    tokens: Tokens = Tokens()
    cost: float = 0.0
    completed: int = 0  # when it ended; 0: not yet
    summary: bool = False  # the text of a compaction
    output: str = ""  # the last line of its text, if the report contains it
