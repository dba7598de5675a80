"""The result of a check."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import msgspec

from tray.core.text import clean

log = logging.getLogger(__name__)


class Level(Enum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"  # it works, but could be improved
    BROKEN = "broken"  # it does not work, or is not safe


class Finding(msgspec.Struct, frozen=True):
    """What a check found."""

    check: str
    message: str
    fix: str = ""  # how to fix it; "" if the level is OK
    level: Level = Level.OK
    apply_fix: Callable[[], str] | None = None  # fixes it safely and returns a line for the user; may raise UserError

    def plain(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {
            "check": self.check,
            "level": self.level.value,
            "message": self.message,
            "fix": self.fix,
            "fixable": self.apply_fix is not None,
        }


def fine(check: str, message: str) -> Finding:
    """Return a finding that needs no fix."""
    return Finding(check, message)


def note(check: str, message: str, fix: str, apply_fix: Callable[[], str] | None = None) -> Finding:
    """Return a finding about what could be improved."""
    return Finding(check, message, fix, Level.NOTE, apply_fix)


def broken(check: str, message: str, fix: str, apply_fix: Callable[[], str] | None = None) -> Finding:
    """Return a finding about what does not work or is not safe."""
    return Finding(check, message, fix, Level.BROKEN, apply_fix)


def failed(check: str, subject: str, error: Exception) -> Finding:
    """Return the finding that a check raised an unexpected error. Logs the error."""
    log.info("cannot check %s", subject, exc_info=error)
    message = f"cannot check {subject}: {clean(f'{type(error).__name__}: {error}')}"
    return note(check, message, "please report this line: it is a bug in OpenCode Tray")


def summary(findings: Iterable[Finding]) -> str:
    """Return a line for each finding that needs a fix, the broken ones first; or that there is none."""
    wrong = [finding for finding in findings if finding.level is not Level.OK]
    wrong.sort(key=lambda finding: finding.level is not Level.BROKEN)
    return "\n".join(f"{finding.message} — {finding.fix}" for finding in wrong) or "No problems found."
