"""Find the terminals of a session, bring one to the front, and find out whether it has the keyboard focus."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from tray.actions.attach.kitty import Kitty
from tray.actions.attach.konsole import Konsole
from tray.actions.attach.mac_terminals import ITerm2, Terminal
from tray.actions.attach.terminal import (
    Detached,
    Focused,
    FocusReporter,
    Multiplexer,
    MultiplexerClient,
    ShownPane,
    TerminalFocuser,
)
from tray.actions.attach.tmux import Tmux
from tray.actions.attach.wezterm import WezTerm
from tray.actions.attach.window import Window
from tray.actions.attach.zellij import Zellij
from tray.core.servers import AgentKind, Server, TerminalLocation
from tray.system.terminal_processes import TerminalProcess, attached_terminals, terminal_process_of

MAX_NESTING = 4  # multiplexers inside multiplexers
WITHOUT_UI = {"serve", "web", "acp", "run", "github", "mcp"}  # OpenCode's commands that show no session

MULTIPLEXERS: Sequence[Multiplexer] = (Tmux(), Zellij())
_WINDOW = Window()
_TERMINALS = (Kitty(), WezTerm(_WINDOW), Konsole(_WINDOW))
FOCUSERS: Sequence[TerminalFocuser] = (*_TERMINALS, ITerm2(), Terminal(), _WINDOW)  # tried in this order
FOCUS_REPORTERS: Sequence[FocusReporter] = (*_TERMINALS, _WINDOW)  # not AppleScript, which asks the user for consent

TITLE_PREFIX = "OC | "  # OpenCode names its terminal with this and the session's title
TITLE_LENGTH = 20  # characters of the session's title that OpenCode never cuts

# The environment variables of terminals, and the fields of TerminalLocation that hold their values.
_VARIABLES = {
    "TMUX": "tmux",
    "TMUX_PANE": "tmux_pane",
    "ZELLIJ_SESSION_NAME": "zellij",
    "ZELLIJ_PANE_ID": "zellij_pane",
    "TERM_PROGRAM": "terminal",
    "KITTY_WINDOW_ID": "kitty_window",
    "KITTY_LISTEN_ON": "kitty_socket",
    "WEZTERM_PANE": "wezterm_pane",
    "WEZTERM_UNIX_SOCKET": "wezterm_socket",
    "ITERM_SESSION_ID": "iterm_session",
    "WINDOWID": "window_id",
}


def session_terminals(server: Server, url: str | None) -> list[TerminalProcess]:
    """Return this user's processes that show sessions: the server's own, and those attached to it at `url`.

    If the environment of the server's process cannot be read (a hardened program on macOS), the location that its
    plugin reports is used instead, provided that the plugin has proven the token.
    """
    own = terminal_process_of(server.pid) if server.live else None
    if own is not None and not own.environment and server.verified:
        own = _with_location(own, server.place)
    is_opencode = server.agent_kind is AgentKind.OPENCODE
    shown = [own] if own is not None and (_has_ui(own) if is_opencode else own.in_terminal) else []
    return shown + (attached_terminals(url) if url else [])


def _with_location(process: TerminalProcess, location: TerminalLocation) -> TerminalProcess:
    fields = msgspec.structs.asdict(location)
    environment = {name: fields[field] for name, field in _VARIABLES.items() if fields[field]}
    return TerminalProcess(process.pid, process.tty or location.tty, environment, process.ancestors, process.arguments)


def _has_ui(process: TerminalProcess) -> bool:
    is_opencode = any("opencode" in word.lower() for word in process.arguments[:2])
    return is_opencode and process.in_terminal and not any(word in WITHOUT_UI for word in process.arguments[1:3])


async def bring_to_front(process: TerminalProcess) -> Focused | Detached | None:
    """Bring the terminal of the process to the front, through the multiplexers around it; None if nothing worked."""
    panes: list[str] = []
    exact = True
    for _ in range(MAX_NESTING):
        multiplexer = _multiplexer(process)
        if multiplexer is None:
            break
        shown = await multiplexer.show_pane(process)
        if not isinstance(shown, ShownPane):
            return shown
        panes.insert(0, f"{multiplexer.name} {'pane' if shown.exact else 'session'}")
        exact = exact and shown.exact
        process = shown.client
    through = f"Focused the {' in the '.join(panes)}" if panes else ""
    for focuser in FOCUSERS:
        if focuser.detect(process) and (focused := await focuser.bring_to_front(process)) is not None:
            if not panes:
                return focused
            message = focused.message[0].lower() + focused.message[1:]
            return Focused(f"{through}; {message}", exact and focused.exact)
    return Focused(through, exact=False) if panes else None


async def shown_title(process: TerminalProcess) -> str:
    """Return the title of the part of a terminal in which the process runs; "" if it is unknown."""
    multiplexer = _multiplexer(process)
    if multiplexer is not None:
        return await multiplexer.pane_title(process)
    for reporter in FOCUS_REPORTERS:
        if reporter.detect(process) and (state := await reporter.focus_state(process)) is not None:
            return state.title
    return ""


async def has_focus(process: TerminalProcess, titles: Collection[str], nesting: int = MAX_NESTING) -> bool | None:
    """Return whether the terminal has the focus and may show a session with one of these titles; None if unknown."""
    multiplexer = _multiplexer(process)
    if multiplexer is None:
        return await _terminal_has_focus(process, titles)
    clients = await multiplexer.clients_showing(process) if nesting else None
    if clients is None:
        return None
    return any_of([await _client_has_focus(client, titles, nesting - 1) for client in clients] or [False])


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Return whether an answer is True; None if that is unknown or there are no answers."""
    known = set(answers)
    return True if True in known else None if None in known or not known else False


def _multiplexer(process: TerminalProcess) -> Multiplexer | None:
    return next((multiplexer for multiplexer in MULTIPLEXERS if multiplexer.detect(process)), None)


async def _client_has_focus(client: MultiplexerClient, titles: Collection[str], nesting: int) -> bool | None:
    if client.focused is False or not _may_show(client.title, titles):
        return False
    focused = await has_focus(client.process, (), nesting)
    if focused is None and not client.process.variable("SSH_CONNECTION"):  # over SSH, it is the focus of another desk
        return client.focused
    return focused


async def _terminal_has_focus(process: TerminalProcess, titles: Collection[str]) -> bool | None:
    for reporter in FOCUS_REPORTERS:
        if reporter.detect(process) and (state := await reporter.focus_state(process)) is not None:
            return state.has_focus and _may_show(state.title, titles)
    return None


def _may_show(terminal_title: str, titles: Collection[str]) -> bool:
    """Return whether a terminal with this title may show a session with one of these titles.

    False only if the terminal's title names another session.
    """
    _, prefix, shown = terminal_title.partition(TITLE_PREFIX)
    known = [title for title in titles if title]
    return not prefix or not known or any(shown.startswith(title[:TITLE_LENGTH]) for title in known)
