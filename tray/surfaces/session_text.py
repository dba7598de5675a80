"""How one session reads: its mark, its row in the menu, and its details. Used by the menu and the terminal alike."""

from __future__ import annotations

from tray.core.fleet import Fleet
from tray.core.model import Request, Retry, Server, Session, Source, Status
from tray.core.session_index import SessionRow
from tray.core.text import age, amount, clean, counted, shorten, shorten_path, width
from tray.system.local_time import local_time

LONG_TOOL = 2 * 60_000  # ms after which it is said for how long a tool has run
LONG_SILENCE = 5 * 60_000  # ms without a sign of life after which that is said
ROW = 72  # columns of a row in the menu, its mark included
PROJECT = 24  # of these, for the project at most
MARK = 2  # columns of a mark and the space behind it
DASH = " — "
SHORTEST_REASON = 8  # columns that a reason needs to say anything
DETAIL = 60  # columns of a line of the details

MARKS = {
    Status.WAITING_FOR_PERMISSION: "!",
    Status.WAITING_FOR_ANSWER: "?",
    Status.ERROR: "✕",
    Status.RETRY: "↻",
    Status.BUSY: "◐",
    Status.COMPLETED: "✓",
    Status.IDLE: "○",
    Status.ABORTED: "○",
    Status.DISCONNECTED: "⊘",
}

WORDS = {
    Status.WAITING_FOR_PERMISSION: "waits for permission",
    Status.WAITING_FOR_ANSWER: "waits for an answer",
    Status.ERROR: "failed",
    Status.RETRY: "retries",
    Status.BUSY: "working",
    Status.COMPLETED: "finished",
    Status.IDLE: "idle",
    Status.ABORTED: "stopped",
    Status.DISCONNECTED: "disconnected",
}


def title(session: Session) -> str:
    """The session's title; a new session has none worth the name."""
    told = clean(session.title[:500])
    return "New session" if not told or told.startswith("New session - ") else told


def stall(row: SessionRow, at: int) -> str:
    """For how long one tool has run, or nothing was heard, where that is long: "bash for 12m", "silent for 6m"."""
    if row.status is not Status.BUSY:
        return ""
    if row.tool and row.tool_since and at - row.tool_since >= LONG_TOOL:
        return f"{row.tool} for {age(at - row.tool_since)}"
    if not row.tool and row.last_activity_at and at - row.last_activity_at >= LONG_SILENCE:
        return f"silent for {age(at - row.last_activity_at)}"
    return ""


def reason(row: SessionRow, at: int) -> str:
    """Why the session is in this state, in a few words; empty where the mark says it all."""
    session = row.session
    if row.status.needs_person and row.requests:
        return request_text(row.requests[0])
    if row.status is Status.ERROR and session.failure is not None:
        return clean((session.failure.message or session.failure.name)[:500])
    if row.status is Status.RETRY and session.retry is not None:
        return clean(f"attempt {session.retry.attempt}: {session.retry.message[:500]}")
    if row.status is Status.BUSY:
        return stall(row, at) or row.tool
    return ""


def request_text(request: Request) -> str:
    """What a request asks, in one line: "bash: ls -la"."""
    detail = clean(request.detail[:2000].partition("\n")[0])
    return detail if not request.title or detail == request.title else f"{clean(request.title)}: {detail}"


def row_label(row: SessionRow, at: int, columns: int = ROW, *, project: str = "", why: bool = True) -> str:
    """A session's row in at most `columns` columns, mark included: the title first, the reason in what is left.

    `project` is empty under a heading that names it. `why` is False where the line below says what is asked.
    """
    head = f"{shorten(project, PROJECT)} · " if project else ""
    seen = age(at - row.since)
    tail = ("" if seen == "now" else f" · {seen}") + _doubt(row.server)
    room = columns - MARK - width(head) - width(tail)
    name = shorten(title(row.session), room)
    left = room - width(name) - width(DASH)
    text = reason(row, at) if why and left >= SHORTEST_REASON else ""
    return f"{head}{name}{DASH if text else ''}{shorten(text, left) if text else ''}{tail}"


def _doubt(server: Server) -> str:
    """How far what is shown can be trusted, where that is not all the way."""
    if not server.verified:
        return " (watch only)"
    return " (inferred)" if server.source is Source.LOCAL else ""


def _again(retry: Retry | None) -> str:
    """When OpenCode tries again by itself."""
    time = local_time(retry.next_at) if retry is not None else None
    return "" if time is None else f"Tries again at {time:%H:%M:%S}"


def context_percent(fleet: Fleet, session: Session) -> float | None:
    """How full the model's context is, in percent; None where the model's limit is not known."""
    limit = fleet.limits.get(session.server, {}).get(session.model)
    return round(100 * session.context_tokens / limit, 1) if limit else None


def details(row: SessionRow, fleet: Fleet, at: int) -> tuple[tuple[str, str], ...]:
    """Key and text of what there is to know of a session, for its submenu."""
    session, server = row.session, row.server
    percent = context_percent(fleet, session)
    done = sum(1 for todo in session.todos if todo.status in ("completed", "cancelled"))
    below = len(fleet.tree(session.key)) - 1
    files = counted(session.files, "file", "files")
    known = (
        ("status", f"{MARKS[row.status]} {WORDS[row.status]} · {age(at - row.since)}"),
        ("reason", reason(row, at) if row.status not in (Status.BUSY, Status.DISCONNECTED) else ""),
        ("again", _again(session.retry) if row.status is Status.RETRY else ""),
        ("tool", f"Tool: {row.tool}" if row.tool else ""),
        ("stall", stall(row, at)),
        ("output", f"“{session.last_output}”" if session.last_output else ""),
        ("model", " · ".join(part for part in (session.agent, session.model) if part)),
        ("context", f"Context: {percent:g} %" if percent is not None else ""),
        ("usage", f"{amount(row.tokens.total)} tokens · ${row.cost:.2f}" if row.tokens.total else ""),
        ("messages", counted(session.messages, "message", "messages") if session.messages else ""),
        ("todos", f"Todos: {done} of {len(session.todos)} done" if session.todos else ""),
        ("files", f"{files} changed, +{session.additions} -{session.deletions}" if session.files else ""),
        ("below", counted(below, "subagent", "subagents") if below else ""),
        ("branch", f"Branch: {server.branch}" if server.branch else ""),
        ("directory", shorten_path(session.directory or server.directory, DETAIL)),
        ("host", f"{server.host} · OpenCode {server.opencode}" if server.opencode else server.host),
        ("watch", f"Watch only: {server.read_only_reason}" if server.read_only_reason else ""),
    )
    return tuple((key, shorten(text, DETAIL)) for key, text in known if text)
