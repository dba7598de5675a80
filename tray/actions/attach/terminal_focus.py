"""Finding the terminal that shows a session, or could; bringing it to the front, or telling whether it is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from tray.actions.attach.kitty import Kitty
from tray.actions.attach.konsole import Konsole
from tray.actions.attach.mac_terminals import ITerm2, Terminal
from tray.actions.attach.terminal import Detached, Multiplexer, Raised, Rung, Shown, TellsFocus, Viewer
from tray.actions.attach.tmux import Tmux
from tray.actions.attach.wezterm import WezTerm
from tray.actions.attach.window import Window
from tray.actions.attach.zellij import Zellij
from tray.core.model import Server, TerminalLocation
from tray.system.terminal_processes import TerminalProcess, attached_terminals, terminal_process_of

NESTED = 4  # multiplexers within multiplexers that are followed
WITHOUT_SCREEN = {"serve", "web", "acp", "run", "github", "mcp"}  # OpenCode's commands that show no session

MULTIPLEXERS: Sequence[Multiplexer] = (Tmux(), Zellij())
_WINDOW = Window()
_PANES = (Kitty(), WezTerm(_WINDOW), Konsole(_WINDOW))
RUNGS: Sequence[Rung] = (*_PANES, ITerm2(), Terminal(), _WINDOW)
TELL_FOCUS: Sequence[TellsFocus] = (*_PANES, _WINDOW)  # AppleScript would ask the person for consent out of the blue

MARK = "OC | "  # what OpenCode puts in front of a session's title to name its terminal
TITLE = 20  # characters of the title that it surely leaves there

# What the plugin's `place` says under the names that terminals give it in the environment.
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


def seats(server: Server, url: str | None) -> list[TerminalProcess]:
    """The terminals of OpenCode itself, and of those attached to its server at `url`; of this user alone.

    What the process says of itself comes before what its plugin says of it, which counts where the process cannot be
    read (a hardened one on macOS), and only if the plugin has proven the token.
    """
    own = terminal_process_of(server.pid) if server.live else None
    if own is not None and not own.environment and server.verified:
        own = _as_told(own, server.place)
    mine = [own] if own is not None and _shows_something(own) else []
    return mine + (attached_terminals(url) if url else [])


def _as_told(seat: TerminalProcess, place: TerminalLocation) -> TerminalProcess:
    told = msgspec.structs.asdict(place)
    environment = {name: told[field] for name, field in _VARIABLES.items() if told[field]}
    return TerminalProcess(seat.pid, seat.tty or place.tty, environment, seat.ancestors, seat.arguments)


def _shows_something(seat: TerminalProcess) -> bool:
    is_opencode = any("opencode" in word.lower() for word in seat.arguments[:2])
    return is_opencode and seat.in_terminal and not any(word in WITHOUT_SCREEN for word in seat.arguments[1:3])


async def focus(seat: TerminalProcess) -> Raised | Detached | None:
    """Bring the seat's terminal to the front, through the multiplexers that it sits in; None where nothing works."""
    through: list[str] = []
    exact = True
    for _ in range(NESTED):
        multiplexer = _multiplexer(seat)
        if multiplexer is None:
            break
        shown = await multiplexer.go(seat)
        if not isinstance(shown, Shown):
            return shown
        through.append(f"{multiplexer.name} {'pane' if shown.exact else 'session'}")
        exact = exact and shown.exact
        seat = shown.client
    for rung in RUNGS:
        if rung.detect(seat) and (raised := await rung.go(seat)) is not None:
            if not through:
                return raised
            first = raised.line[0].lower() + raised.line[1:]
            return Raised(f"Focused its {' in its '.join(reversed(through))}; {first}", exact and raised.exact)
    return Raised(f"Focused its {' in its '.join(reversed(through))}", exact=False) if through else None


async def has_focus(seat: TerminalProcess, titles: Collection[str], nested: int = NESTED) -> bool | None:
    """Whether the person types into this terminal, and it shows a session of one of these titles; None: unknown."""
    multiplexer = _multiplexer(seat)
    if multiplexer is None:
        return await _terminal_has_focus(seat, titles)
    viewers = await multiplexer.viewers(seat) if nested else None
    if viewers is None:
        return None
    return any_of([await _viewer_has_focus(viewer, titles, nested - 1) for viewer in viewers] or [False])


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether one of them is yes; None if that is not known, or there are none."""
    known = set(answers)
    return True if True in known else None if None in known or not known else False


def _multiplexer(seat: TerminalProcess) -> Multiplexer | None:
    return next((one for one in MULTIPLEXERS if one.detect(seat)), None)


async def _viewer_has_focus(viewer: Viewer, titles: Collection[str], nested: int) -> bool | None:
    if viewer.focused is False or not _may_show(viewer.title, titles):
        return False
    told = await has_focus(viewer.client, (), nested)
    if told is None and not viewer.client.variable("SSH_CONNECTION"):  # a person at another desk does not sit here
        return viewer.focused
    return told


async def _terminal_has_focus(seat: TerminalProcess, titles: Collection[str]) -> bool | None:
    for terminal in TELL_FOCUS:
        if terminal.detect(seat) and (focus := await terminal.focus(seat)) is not None:
            return focus.has_it and _may_show(focus.title, titles)
    return None


def _may_show(name: str, titles: Collection[str]) -> bool:
    """Whether a terminal of this name may show a session of one of these titles: another one's title it does not."""
    _, mark, shown = name.partition(MARK)
    known = [title for title in titles if title]
    return not mark or not known or any(shown.startswith(title[:TITLE]) for title in known)
