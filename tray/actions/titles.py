"""What a person was about, as the title of what is said of it."""

from __future__ import annotations

from collections.abc import Mapping

from tray.core.choices import (
    AnswerChoice,
    Choice,
    CopyAttachCommand,
    CopySessionID,
    CopyText,
    GoTo,
    GoToNext,
    InstallPlugin,
    LookAgain,
    OpenInBrowser,
    OpenSettings,
    RunDoctor,
    ServerChoice,
    ShowSummary,
)

_TITLES: Mapping[type, str] = {
    GoTo: "Going there",
    GoToNext: "Going there",
    OpenInBrowser: "Going there",
    CopyAttachCommand: "Copying",
    CopySessionID: "Copying",
    CopyText: "Copying",
    LookAgain: "Your answer",
    InstallPlugin: "Plugin",
    ShowSummary: "OpenCode Tray",
    OpenSettings: "Settings",
    RunDoctor: "Doctor",
}


def title_of(choice: Choice) -> str:
    """A few words."""
    if isinstance(choice, AnswerChoice):
        return "Your answer"
    if isinstance(choice, ServerChoice):
        return "OpenCode's servers"
    return _TITLES.get(type(choice), "Your session")
