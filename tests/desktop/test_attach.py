"""The way to a real OpenCode's session: the very pane among three, its window, or a new terminal."""

from __future__ import annotations

import json

import pytest
from workspace import Workspace

from waiting import at_most_every, until

pytestmark = [pytest.mark.desktop, pytest.mark.opencode]

TITLE = "Scripted title"


def test_attach_activates_the_pane_among_three_and_shows_the_session(workspace: Workspace) -> None:
    workspace.start_tray()
    opencode, desk = workspace.opencode, workspace.desk
    opencode.tui()
    pane = opencode.tmux("display-message", "-p", "-t", "tui", "#{pane_id}").strip()
    opencode.tmux("split-window", "-t", "tui", "sleep 600")
    opencode.tmux("new-window", "-t", "tui", "sleep 600")
    workspace.terminal("seat", "tmux", "-S", f"{opencode.home}/tmux.sock", "attach")
    workspace.terminal("other", "sleep", "600")
    until(lambda: opencode.tmux("list-clients"), "tmux's client")
    first = f"first ##{json.dumps({'words': 3})}"
    opencode.tmux("send-keys", "-t", pane, "-l", first)
    until(lambda: "first" in opencode.tmux("capture-pane", "-p", "-t", pane), "the typed prompt")
    press = at_most_every(1, lambda: opencode.tmux("send-keys", "-t", pane, "Enter"))
    until(lambda: any("first" in prompt for prompt in workspace.model.prompts) or press(), "the prompt")
    session = until(lambda: next(iter(workspace.sessions()), ""), "the session")

    until(lambda: workspace.home.session(session)["status"] == "completed", "the end of the turn", 20)
    forked = workspace.run("session", "fork", session).removeprefix("Forked: ")

    def shown() -> str:
        """What OpenCode calls its terminal: the title of the session that it shows."""
        return opencode.tmux("display-message", "-p", "-t", pane, "#{pane_title}").strip()

    for wanted, title in ((forked, f"OC | {TITLE} (fork #1)"), (session, f"OC | {TITLE}")):
        opencode.tmux("select-window", "-t", "tui:1")
        workspace.look_at("other")
        assert workspace.run("attach", wanted) == "Focused the tmux pane; brought the window to the front"
        assert workspace.front() == "seat"
        assert opencode.tmux("list-clients", "-F", "#{pane_id}").strip() == pane
        until(lambda title=title: shown() == title, f"the session {title}")
    desk.screenshot("attach-pane")


def test_without_a_terminal_a_new_one_shows_the_session(workspace: Workspace) -> None:
    workspace.start_tray()
    workspace.home.stop()  # it is started again with OpenCode's own folders, which the new terminal inherits
    workspace.home.environment |= {
        name: value for name, value in workspace.opencode.environment.items() if name[:3] == "XDG"
    }
    workspace.home.environment |= {
        name: workspace.opencode.environment[name] for name in ("OPENCODE_TRAY_TOKEN_FILE", "OPENCODE_MONITOR_PORT")
    }
    workspace.home.tray("--no-notify")
    workspace.opencode.tui()  # in a tmux without a client
    workspace.opencode.type(
        f"first ##{json.dumps({'words': 3})}", lambda: any("first" in p for p in workspace.model.prompts)
    )
    session = until(lambda: next(iter(workspace.sessions()), ""), "the session")
    assert workspace.run("attach", session) == "Opened in xterm"
    until(lambda: workspace.opencode.tmux("list-clients"), "tmux's client in the new terminal")
    workspace.opencode.tmux("kill-server")
    until(lambda: workspace.home.session(session)["status"] == "disconnected", "the end of OpenCode")
    assert workspace.run("attach", session) == "Opened in xterm"
    shown = until(
        lambda: "--session" in workspace.desk.run("ps", "ax", "-o", "args") and workspace.front(), "the new terminal"
    )
    assert shown
    until(
        lambda: session in workspace.sessions() and workspace.home.session(session)["status"] != "disconnected",
        "it reports",
        20,
    )
    workspace.desk.screenshot("attach-new-terminal")


def test_attaching_to_a_server_with_a_password_does_not_reveal_it(workspace: Workspace) -> None:
    workspace.opencode.environment["OPENCODE_SERVER_PASSWORD"] = "secret-of-the-test"
    workspace.opencode.serve()
    workspace.start_tray(f'[[servers]]\nurl = "{workspace.opencode.url}"\npassword = "secret-of-the-test"\n')
    session = workspace.opencode.session()
    workspace.opencode.prompt(session, {"words": 3})
    until(lambda: session in workspace.sessions(), "the session", 40)
    assert workspace.run("attach", session) == "Opened in xterm"
    until(
        lambda: f"attach {workspace.opencode.url}" in workspace.desk.run("ps", "ax", "-o", "args"),
        "opencode attach",
        20,
    )
    assert "secret-of-the-test" not in workspace.desk.run("ps", "ax", "-o", "args")
    until(lambda: workspace.front().startswith("OC | "), "the session in the new terminal")
    assert workspace.run("attach", session) == "Brought the window to the front"  # the one that is there already
    workspace.desk.screenshot("attach-password")


def clipboard(workspace: Workspace) -> str:
    return workspace.desk.run("xclip", "-selection", "clipboard", "-o")


@pytest.mark.parametrize("program", ["xclip", ""])
def test_a_copied_command_outlives_the_command_line(workspace: Workspace, program: str) -> None:
    """With a clipboard program, and with none: then the tray keeps it."""
    if not program:
        workspace.home.environment["PATH"] = str(workspace.opencode.binary.parent)
    workspace.opencode.serve()
    workspace.start_tray()
    session = workspace.opencode.session()
    workspace.opencode.prompt(session, {"words": 3})
    until(lambda: session in workspace.sessions(), "the session")
    workspace.run("session", "copy-command", session)
    wanted = f"opencode attach {workspace.opencode.url} --session {session} --dir {workspace.opencode.project}"
    until(lambda: clipboard(workspace) == wanted, "the command in the clipboard")  # xclip takes it in the background
    workspace.run("session", "copy-id", session)
    until(lambda: clipboard(workspace) == session, "the ID in the clipboard")
