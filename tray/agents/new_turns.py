"""The turns in a transcript that have ended and have not been reported yet."""

from __future__ import annotations

import msgspec

from tray.core.history import TranscriptTurn, TurnOutcome


class _Running(msgspec.Struct):
    """The turn that is running."""

    started: int
    prompt: str
    reply: str = ""
    response: str = ""
    has_response: bool = False


class NewTurns:
    """Collects turns while a transcript is read. Times are in ms since the Unix epoch."""

    def __init__(self) -> None:
        self._ended: dict[int, TranscriptTurn] = {}  # by their start
        self._previous: TranscriptTurn | None = None  # the turn that ended last
        self._running: _Running | None = None
        self._last_line = 0  # time of the newest line of the running turn

    def begin(self, at: int, prompt: str = "") -> None:
        """Begin a turn. One that is running was abandoned, unless it has no prompt and no response."""
        if self._running is not None and (self._running.prompt or self._running.has_response):
            self.abandon(self._last_line)
        self._running = _Running(at, prompt)
        self._last_line = at

    def add_prompt(self, at: int, prompt: str) -> None:
        """Take a prompt of the running turn. The first one counts."""
        if self._running is not None:
            self._running.prompt = self._running.prompt or prompt
            self._last_line = at

    def add_response(self, at: int, response: str, last_line: str) -> None:
        """Take a response of the model. After the end of a turn, it continues that turn."""
        if self._running is None:
            if self._previous is None:
                return
            self._running = _Running(self._previous.started, self._previous.prompt, self._previous.reply)
        running = self._running
        running.has_response = True
        running.response = response
        running.reply = last_line or running.reply
        self._last_line = at

    def end(self, at: int, outcome: TurnOutcome = TurnOutcome.COMPLETED) -> None:
        """End the running turn, if there is one."""
        running, self._running = self._running, None
        if running is not None and at >= running.started > 0:
            turn = TranscriptTurn(running.started, at, outcome, running.prompt, running.reply, running.response)
            self._ended[turn.started] = self._previous = turn

    def abandon(self, at: int = 0) -> None:
        """End the running turn because its process has ended. 0: it ended after the newest line."""
        self.end(at or self._last_line, TurnOutcome.ABORTED)

    def take(self) -> tuple[TranscriptTurn, ...]:
        """Return the turns that have ended since the last call."""
        taken = tuple(self._ended.values())
        self._ended.clear()
        return taken
