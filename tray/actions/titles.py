"""What a person was about, as the title of what is said of it."""

from __future__ import annotations

from collections.abc import Mapping

from tray.core.commands import (
    AnswerCommand,
    Command,
    CopyAttachCommand,
    CopySessionID,
    CopyText,
    ExplainIgnoredClick,
    InstallPlugin,
    OpenInBrowser,
    OpenNextSession,
    OpenSession,
    OpenSettings,
    RunDoctor,
    ServerCommand,
    ShowSummary,
)

_TITLES: Mapping[type, str] = {
    OpenSession: "Going there",
    OpenNextSession: "Going there",
    OpenInBrowser: "Going there",
    CopyAttachCommand: "Copying",
    CopySessionID: "Copying",
    CopyText: "Copying",
    ExplainIgnoredClick: "Your answer",
    InstallPlugin: "Plugin",
    ShowSummary: "OpenCode Tray",
    OpenSettings: "Settings",
    RunDoctor: "Doctor",
}


def title_of(choice: Command) -> str:
    """A few words."""
    if isinstance(choice, AnswerCommand):
        return "Your answer"
    if isinstance(choice, ServerCommand):
        return "OpenCode's servers"
    return _TITLES.get(type(choice), "Your session")
