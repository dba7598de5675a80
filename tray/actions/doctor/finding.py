"""What a check found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import msgspec

from tray.core.text import clean

log = logging.getLogger(__name__)


class Level(Enum):
    """How much it matters."""

    OK = "ok"
    NOTE = "note"  # it works, and could do better
    BROKEN = "broken"


class Finding(msgspec.Struct, frozen=True):
    """One check: what was found, and what mends it; `fix` is empty where all is well."""

    check: str
    told: str
    fix: str = ""
    level: Level = Level.OK
    mend: Callable[[], str] | None = None  # does it safely, and says what was done; raises Problem or OSError

    def plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "check": self.check,
            "level": self.level.value,
            "told": self.told,
            "fix": self.fix,
            "fixable": self.mend is not None,
        }


def fine(check: str, told: str) -> Finding:
    """All is well."""
    return Finding(check, told)


def note(check: str, told: str, fix: str, mend: Callable[[], str] | None = None) -> Finding:
    """It could do better."""
    return Finding(check, told, fix, Level.NOTE, mend)


def broken(check: str, told: str, fix: str, mend: Callable[[], str] | None = None) -> Finding:
    """Something does not work, or is not safe."""
    return Finding(check, told, fix, Level.BROKEN, mend)


def unchecked(check: str, what: str, error: Exception) -> Finding:
    """It could not be found out: something raised what nobody expected."""
    log.info("%s could not be checked", what, exc_info=error)
    told = f"{what} could not be checked: {clean(f'{type(error).__name__}: {error}')}"
    return note(check, told, "please report this line: it is a fault of OpenCode Tray")


def summary(findings: Iterable[Finding]) -> str:
    """What is wrong, a line each, the worst first; or that nothing is."""
    wrong = [finding for finding in findings if finding.level is not Level.OK]
    wrong.sort(key=lambda finding: finding.level is not Level.BROKEN)
    return "\n".join(f"{finding.told} — {finding.fix}" for finding in wrong) or "Everything is in order."
