"""What a person chose on a surface: imperative, one closed union. Surfaces post them; app carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tray.core.model import SessionKey


class MuteSpan(Enum):
    """How long a mute holds."""

    HALF_HOUR = "30 minutes"
    TWO_HOURS = "2 hours"
    TOMORROW = "until tomorrow"
    FOREVER = "until I unmute"


@dataclass(frozen=True, slots=True)
class GoTo:
    """Take me to this session."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class GoToNext:
    """Take me to whoever has waited longest for a person."""


@dataclass(frozen=True, slots=True)
class Dismiss:
    """I have seen it: an error or a finished turn stops being news."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class Mute:
    """No notifications from `scope` for a while. Scope: "" everything, "project:DIR", "session:ID"."""

    scope: str
    span: MuteSpan


@dataclass(frozen=True, slots=True)
class Unmute:
    """Notifications from `scope` again."""

    scope: str


@dataclass(frozen=True, slots=True)
class OpenSettings:
    """Open the settings file in the person's editor."""


@dataclass(frozen=True, slots=True)
class RunDoctor:
    """Check the installation and say what is wrong."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Stop the tray. Agents go on."""


Choice = GoTo | GoToNext | Dismiss | Mute | Unmute | OpenSettings | RunDoctor | Quit
