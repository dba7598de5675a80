"""A request of Codex' daemon, with the answers to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tray.agents.codex.protocol import FrameId
from tray.core.sessions import Request

ONCE, ALWAYS = "once", "always"  # values of `reply` in plugin/PROTOCOL.md; the third is "reject"


class Asked(msgspec.Struct, frozen=True):
    """A request of the daemon that is not resolved."""

    frame_id: FrameId
    turn_id: str
    request: Request
    once: Any = None  # the result that allows it
    always: Any = None  # the result that also allows what is like it; None: not offered
    reject: Any = None  # the result that refuses it
    question_ids: tuple[str, ...] = ()

    def permission_result(self, reply: str) -> Any:
        """Return the result for a value of `reply`; None if it is not offered."""
        return {ONCE: self.once, ALWAYS: self.always}.get(reply, self.reject)

    def question_result(self, answers: Sequence[Sequence[str]]) -> Any:
        """Return the result for the answers to the questions, in their order."""
        pairs = zip(self.question_ids, answers, strict=False)
        return {"answers": {question_id: {"answers": list(chosen)} for question_id, chosen in pairs}}
