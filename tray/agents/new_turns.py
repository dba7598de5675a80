"""The turns in a transcript that have ended and have not been reported yet."""

from __future__ import annotations

import msgspec

from tray.core.history import TranscriptTurn, TurnOutcome


class _Running(msgspec.Struct):
    """The turn that is running."""

    started: int
    prompt: str
    line: str = ""
    reply: str = ""
    has_response: bool = False


class NewTurns:
    """Collects turns while a transcript is read. Times are in ms since the Unix epoch."""

    def __init__(self) -> None:
        self._ended: dict[int, TranscriptTurn] = {}  # by their start
        self._previous: TranscriptTurn | None = None  # the turn that ended last
        self._running: _Running | None = None
        self._last_line = 0  # time of the newest line of the running turn

    def begin(self, at: int, prompt: str = "", line: str = "", *, before: TurnOutcome = TurnOutcome.ABORTED) -> None:
        """Begin a turn with a line of the transcript. `before` is the outcome of one that has no end there."""
        self.abandon(before)
        self._running = _Running(at, prompt, line)
        self._last_line = at

    def add_prompt(self, at: int, prompt: str) -> None:
        """Take a prompt of the running turn. The first one counts."""
        if self._running is not None:
            self._running.prompt = self._running.prompt or prompt
            self._last_line = at

    def add_response(self, at: int, last_line: str) -> None:
        """Take a response of the model. After the end of a turn, it continues that turn."""
        if self._running is None:
            if self._previous is None:
                return
            previous = self._previous
            self._running = _Running(previous.started, previous.prompt, previous.line, previous.reply)
        running = self._running
        running.has_response = True
        running.reply = last_line or running.reply
        self._last_line = at

    def end(self, at: int, outcome: TurnOutcome = TurnOutcome.COMPLETED) -> None:
        """End the running turn, if there is one."""
        running, self._running = self._running, None
        if running is not None and at >= running.started > 0:
            texts = running.prompt, running.reply
            turn = TranscriptTurn(running.started, at, outcome, *texts, running.line)
            self._ended[turn.started] = self._previous = turn

    def abandon(self, outcome: TurnOutcome = TurnOutcome.ABORTED) -> None:
        """End the running turn with its newest line: nothing more comes. One without prompt and response is none."""
        running = self._running
        if running is not None and (running.prompt or running.has_response):
            self.end(self._last_line, outcome if running.has_response else TurnOutcome.ABORTED)
        self._running = None

    def take(self) -> tuple[TranscriptTurn, ...]:
        """Return the turns that have ended since the last call."""
        taken = tuple(self._ended.values())
        self._ended.clear()
        return taken
