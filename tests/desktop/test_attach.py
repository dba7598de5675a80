"""The way to a real OpenCode's session: the very pane among three, its window, or a new terminal."""

from __future__ import annotations

import json

import pytest
from desk import until
from place import Place

pytestmark = [pytest.mark.desktop, pytest.mark.opencode]

TITLE = "Scripted title"


def test_the_very_pane_among_three_comes_to_the_front_with_the_session(place: Place) -> None:
    place.start_tray()
    opencode, desk = place.opencode, place.desk
    opencode.tui()
    pane = opencode.tmux("display-message", "-p", "-t", "tui", "#{pane_id}").strip()
    opencode.tmux("split-window", "-t", "tui", "sleep 600")
    opencode.tmux("new-window", "-t", "tui", "sleep 600")
    place.terminal("seat", "tmux", "-S", f"{opencode.home}/tmux.sock", "attach")
    place.terminal("other", "sleep", "600")
    until(lambda: opencode.tmux("list-clients"), "tmux's client")
    first = f"first ##{json.dumps({'words': 3})}"
    opencode.tmux("send-keys", "-t", pane, "-l", first)
    until(lambda: "first" in opencode.tmux("capture-pane", "-p", "-t", pane), "the typed prompt")
    until(
        lambda: opencode.tmux("send-keys", "-t", pane, "Enter") or any("first" in p for p in place.model.prompts),
        "the prompt",
    )
    session = until(lambda: next(iter(place.sessions()), ""), "the session")

    until(lambda: place.home.session(session)["status"] == "completed", "the end of the turn", 20)
    forked = place.run("session", "fork", session).removeprefix("Forked: ")

    def shown() -> str:
        """What OpenCode calls its terminal: the title of the session that it shows."""
        return opencode.tmux("display-message", "-p", "-t", pane, "#{pane_title}").strip()

    for wanted, title in ((forked, f"OC | {TITLE} (fork #1)"), (session, f"OC | {TITLE}")):
        opencode.tmux("select-window", "-t", "tui:1")
        place.look_at("other")
        assert place.run("attach", wanted) == "Focused its tmux pane; brought its window to the front"
        assert place.front() == "seat"
        assert opencode.tmux("list-clients", "-F", "#{pane_id}").strip() == pane
        until(lambda title=title: shown() == title, f"the session {title}")
    desk.screenshot("attach-pane")


def test_without_a_terminal_a_new_one_is_opened_on_the_session(place: Place) -> None:
    place.start_tray()
    place.home.stop()  # it is started again with OpenCode's own folders, which the new terminal inherits
    place.home.environment |= {name: value for name, value in place.opencode.environment.items() if name[:3] == "XDG"}
    place.home.environment |= {
        name: place.opencode.environment[name] for name in ("OPENCODE_TRAY_TOKEN_FILE", "OPENCODE_MONITOR_PORT")
    }
    place.home.tray("--no-notify")
    place.opencode.tui()  # in a tmux that nobody looks at
    place.opencode.type(f"first ##{json.dumps({'words': 3})}", lambda: any("first" in p for p in place.model.prompts))
    session = until(lambda: next(iter(place.sessions()), ""), "the session")
    assert place.run("attach", session) == "Opened it in xterm"
    until(lambda: place.opencode.tmux("list-clients"), "tmux's client in the new terminal")
    place.opencode.tmux("kill-server")
    until(lambda: place.home.session(session)["status"] == "disconnected", "the end of OpenCode")
    assert place.run("attach", session) == "Opened it in xterm"
    shown = until(lambda: "--session" in place.desk.run("ps", "ax", "-o", "args") and place.front(), "the new terminal")
    assert shown
    until(
        lambda: session in place.sessions() and place.home.session(session)["status"] != "disconnected",
        "it reports",
        20,
    )
    place.desk.screenshot("attach-new-terminal")


def test_a_server_with_a_password_is_attached_to_with_it_and_nobody_can_read_it(place: Place) -> None:
    place.opencode.environment["OPENCODE_SERVER_PASSWORD"] = "secret-of-the-test"
    place.opencode.serve()
    place.start_tray(f'[[servers]]\nurl = "{place.opencode.url}"\npassword = "secret-of-the-test"\n')
    session = place.opencode.session()
    place.opencode.prompt(session, {"words": 3})
    until(lambda: session in place.sessions(), "the session", 40)
    assert place.run("attach", session) == "Opened it in xterm"
    until(lambda: f"attach {place.opencode.url}" in place.desk.run("ps", "ax", "-o", "args"), "opencode attach", 20)
    assert "secret-of-the-test" not in place.desk.run("ps", "ax", "-o", "args")
    until(place.front, "the new terminal")
    assert place.run("attach", session) == "Brought its window to the front"  # the one that is there already
    place.desk.screenshot("attach-password")


@pytest.mark.parametrize("program", ["xclip", ""])
def test_the_command_that_is_copied_outlives_the_menu(place: Place, program: str) -> None:
    """With a clipboard program, and with none: then the tray keeps it."""
    if not program:
        place.home.environment["PATH"] = str(place.opencode.binary.parent)
    place.opencode.serve()
    place.start_tray()
    session = place.opencode.session()
    place.opencode.prompt(session, {"words": 3})
    until(lambda: session in place.sessions(), "the session")
    place.run("session", "copy-command", session)
    wanted = f"opencode attach {place.opencode.url} --session {session} --dir {place.opencode.project}"
    assert place.desk.run("xclip", "-selection", "clipboard", "-o") == wanted
    place.run("session", "copy-id", session)
    assert place.desk.run("xclip", "-selection", "clipboard", "-o") == session
