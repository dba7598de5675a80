"""Servers: instances of OpenCode and other agents, where they run, and the source that reports about them."""

from __future__ import annotations

from enum import Enum

import msgspec

from tray.core.plan_limits import PlanLimit


class TerminalLocation(msgspec.Struct, frozen=True):
    """The terminal in which OpenCode runs, from the plugin's environment. An empty string is unknown."""

    tty: str = ""
    tmux: str = ""
    tmux_pane: str = ""
    zellij: str = ""
    zellij_pane: str = ""
    terminal: str = ""
    kitty_window: str = ""
    kitty_socket: str = ""
    wezterm_pane: str = ""
    wezterm_socket: str = ""
    iterm_session: str = ""
    window_id: str = ""
    wsl: str = ""  # the distribution of the Windows Subsystem for Linux
    program: str = ""  # the path of OpenCode there


class Service(msgspec.Struct, frozen=True):
    """An MCP or LSP server that OpenCode runs, with its status as OpenCode reports it."""

    kind: str  # "mcp" or "lsp"
    name: str
    status: str  # "connected", "failed", "disabled", "needs_auth" …
    why: str = ""


class AgentKind(Enum):
    """The coding agents. The values are those of `agent_kind` in `status --json`."""

    OPENCODE = "opencode"
    CLAUDE = "claude"
    CODEX = "codex"
    COPILOT = "copilot"
    QWEN = "qwen"
    GEMINI = "gemini"
    OTHER = "other"  # any program that reports its sessions itself

    @property
    def title(self) -> str:
        """The name of the program."""
        return _TITLES[self]

    @property
    def has_transcripts(self) -> bool:
        """Whether its files tell when each turn began and ended, also of sessions that the tray did not follow."""
        return self in (AgentKind.CLAUDE, AgentKind.CODEX, AgentKind.COPILOT)

    @property
    def short_title(self) -> str:
        """The name in the row of a session."""
        return self.title.partition(" ")[0]


_TITLES = {
    AgentKind.OPENCODE: "OpenCode",
    AgentKind.CLAUDE: "Claude Code",
    AgentKind.CODEX: "Codex CLI",
    AgentKind.COPILOT: "Copilot CLI",
    AgentKind.QWEN: "Qwen Code",
    AgentKind.GEMINI: "Gemini CLI",
    AgentKind.OTHER: "Other program",
}


# Why the sessions of a server that is known from its files cannot be answered, where that can be changed.
_LOCAL_REASONS = {
    AgentKind.OPENCODE: "its plugin is not connected; run opencode-tray doctor",
    AgentKind.CLAUDE: (
        "Claude Code is only observed; use its terminal, or install its hooks with opencode-tray install-hooks claude"
    ),
    AgentKind.CODEX: "this Codex runs without its daemon; use its terminal",
}


DEMO = "demo"  # the version of the plugin of a simulated server


class Source(Enum):
    """Where the reports about a server come from, the best first."""

    PLUGIN = "plugin"  # our plugin, or opencode-monitor's, inside OpenCode
    HTTP = "http"  # OpenCode's own HTTP server
    AGENT = "agent"  # the interface of another agent: its hooks, or its own server
    DASHBOARD = "dashboard"  # opencode-dashboard's plugin: it only reports
    LOCAL = "local"  # its process and files: the state is inferred
    TEAM = "team"  # another tray, through the broker of the team

    @property
    def rank(self) -> int:
        """The rank of the source; 0 is the best."""
        return _RANK[self]


_RANK = {source: rank for rank, source in enumerate(Source)}


class Server(msgspec.Struct, frozen=True):
    """One instance of an agent: one directory in one process."""

    id: str
    name: str
    host: str
    directory: str
    project: str = ""
    branch: str = ""
    repository: str = ""  # of a linked git worktree: the directory of the main worktree
    url: str | None = None  # set only if an HTTP server answers there
    pid: int = 0
    agent_kind: AgentKind = AgentKind.OPENCODE
    version: str = ""  # of the agent
    plugin: str = ""
    source: Source = Source.PLUGIN
    verified: bool = True  # whether it has proven the token; if not, it is read-only
    problem: str = ""  # why it cannot be followed, and what to do
    place: TerminalLocation = msgspec.field(default_factory=TerminalLocation)
    services: tuple[Service, ...] = ()
    plan_limits: tuple[PlanLimit, ...] = ()  # as its agent reported them last
    key: str = ""  # of the token of its machine; "": it has proven the tray's own
    ssh: str = ""  # the destination of that machine, "HOST" or "USER@HOST"
    opencode: str = "opencode"  # the program there
    wsl: str = ""  # the distribution of WSL in which it runs; "": not in one, or in that of this tray
    owner: str = ""  # the tray that publishes it, USER@HOST; "": it is no server of the team
    refusal: str = ""  # of a server of the team: why its requests cannot be answered from here
    clock_skew: int = 0  # ms that its machine's clock was ahead of ours when it connected
    connected: bool = True
    confirmed: bool = False  # whether a snapshot has come since it connected
    lost_at: int = 0  # when it disconnected
    said_goodbye: bool = False
    job: str = ""  # of a Claude Code session in the background: its id for `claude attach`
    runs_once: bool = False  # `opencode run`: the process ends with the turn
    finished: bool = False  # `opencode run` ended with its turn: the last known states stay valid

    @property
    def live(self) -> bool:
        """Whether the states of its sessions are current."""
        return self.connected and self.confirmed

    @property
    def ignores_answers(self) -> bool:
        """Whether its terminal UI may ignore answers from outside: OpenCode 1.14 without an HTTP server."""
        return self.agent_kind is AgentKind.OPENCODE and self.url is None and self.version.startswith("1.14.")

    @property
    def takes_rejection_messages(self) -> bool:
        """Whether a rejection may contain a message for the agent: not before OpenCode 1.1."""
        return self.agent_kind is not AgentKind.OPENCODE or not self.version.startswith(("0.", "1.0."))

    @property
    def is_daemon(self) -> bool:
        """Whether its terminals are processes of their own, and there can be more of them: Codex' daemon."""
        return self.agent_kind is AgentKind.CODEX and self.source is Source.AGENT

    def supports(self, method: str) -> bool:
        """Whether its sessions can be changed by this method of plugin/PROTOCOL.md."""
        if self.source is Source.TEAM:
            return False
        if self.agent_kind is not AgentKind.OPENCODE:
            return self.is_daemon and method == "session.abort"
        return bool(method) and not self.read_only_reason

    @property
    def is_watched(self) -> bool:
        """Whether it is another user's, and can only be looked at: it asks nothing of this user."""
        return self.source is Source.TEAM and bool(self.refusal)

    @property
    def read_only_reason(self) -> str:
        """Why its sessions cannot be answered, and what to do; "" if they can be answered."""
        if self.problem:
            return self.problem
        if self.source is Source.TEAM:
            return self.refusal
        if self.source is Source.LOCAL:
            observed = f"{self.agent_kind.title} is only observed; use its terminal"
            return _LOCAL_REASONS.get(self.agent_kind, observed)
        if self.source is Source.DASHBOARD:
            return (
                "opencode-dashboard's plugin cannot receive answers; run opencode-tray install-plugin on that machine"
            )
        if not self.verified and self.source is Source.HTTP:
            return "it was found on the network; add it to [[servers]] in the settings"
        return "" if self.verified else "its plugin does not have the token"
