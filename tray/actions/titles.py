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
    OpenSession: "Open session",
    OpenNextSession: "Open session",
    OpenInBrowser: "Open session",
    CopyAttachCommand: "Copy",
    CopySessionID: "Copy",
    CopyText: "Copy",
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
