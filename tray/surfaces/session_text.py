"""The text of one session: its mark, its row in the menu, and its details. Used by the menu and the CLI."""

from __future__ import annotations

from tray.core.fleet import Fleet
from tray.core.plan_limits import PlanLimit
from tray.core.servers import Server, Source
from tray.core.session_index import SessionRow
from tray.core.sessions import Request, Retry, Session, Status
from tray.core.text import age, amount, clean, counted, shorten, shorten_path, width
from tray.system.local_time import local_time

MINUTE = 60_000  # ms
LONG_TOOL = 2 * MINUTE  # ms: a tool that runs longer is shown with its duration
LONG_SILENCE = 5 * MINUTE  # ms: a longer time without activity is shown
ROW_COLUMNS = 72  # of a row in the menu, its mark included
PROJECT_COLUMNS = 24  # of these, for the project at most
MARK_COLUMNS = 2  # the mark and the space after it
DASH = " — "
MIN_REASON_COLUMNS = 8  # with less room no reason is shown
DETAIL_COLUMNS = 60  # of a line of the details

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

STATUS_NAMES = {
    Status.WAITING_FOR_PERMISSION: "waiting for permission",
    Status.WAITING_FOR_ANSWER: "waiting for an answer",
    Status.ERROR: "failed",
    Status.RETRY: "retrying",
    Status.BUSY: "working",
    Status.COMPLETED: "finished",
    Status.IDLE: "idle",
    Status.ABORTED: "stopped",
    Status.DISCONNECTED: "disconnected",
}


def title(session: Session) -> str:
    """Return the session's title, or "New session" as long as OpenCode has not given it a real one."""
    text = clean(session.title[:500])
    return "New session" if not text or text.startswith("New session - ") else text


def stall(row: SessionRow, at: int) -> str:
    """Return how long one tool has run, or how long there was no activity, if that is long; otherwise "".

    Examples: "bash for 12m", "no activity for 6m".
    """
    if row.status is not Status.BUSY:
        return ""
    if row.tool and row.tool_since and at - row.tool_since >= LONG_TOOL:
        return f"{row.tool} for {age(at - row.tool_since)}"
    if not row.tool and row.last_activity_at and at - row.last_activity_at >= LONG_SILENCE:
        return f"no activity for {age(at - row.last_activity_at)}"
    return ""


def reason(row: SessionRow, at: int) -> str:
    """Return why the session is in this state, in a few words; "" if there is nothing to add to the mark."""
    session = row.session
    if row.waiting:
        return request_text(row.waiting[0])
    if row.status is Status.ERROR and session.failure is not None:
        return clean((session.failure.message or session.failure.name)[:500])
    if row.status is Status.RETRY and session.retry is not None:
        return clean(f"attempt {session.retry.attempt}: {session.retry.message[:500]}")
    if row.status is Status.BUSY:
        return stall(row, at) or row.tool
    return ""


def request_text(request: Request) -> str:
    """Return a request in one line: "bash: ls -la"."""
    detail = clean(request.detail[:2000].partition("\n")[0])
    return detail if not request.title or detail == request.title else f"{clean(request.title)}: {detail}"


def row_label(
    row: SessionRow,
    at: int,
    columns: int = ROW_COLUMNS,
    *,
    project: str = "",
    agent: str = "",
    with_reason: bool = True,
) -> str:
    """Return a session's row in at most `columns` columns, mark included: title first, then reason as far as it fits.

    `project` is empty below a heading that names it, `agent` if only one kind of agents runs. `with_reason` is False if
    the next row shows the request.
    """
    head = "".join(f"{shorten(name, PROJECT_COLUMNS)} · " for name in (agent, project) if name)
    seen = age(at - row.since)
    tail = ("" if seen == "now" else f" · {seen}") + _source_note(row.server)
    room = columns - MARK_COLUMNS - width(head) - width(tail)
    name = shorten(title(row.session), room)
    remaining = room - width(name) - width(DASH)
    text = reason(row, at) if with_reason and remaining >= MIN_REASON_COLUMNS else ""
    return f"{head}{name}{DASH if text else ''}{shorten(text, remaining) if text else ''}{tail}"


def _source_note(server: Server) -> str:
    """Return a note if the server is not verified or only watched, or if its state is inferred from local files."""
    if not server.verified or server.is_watched:
        return " (read-only)"
    return " (inferred)" if server.source is Source.LOCAL else ""


def _next_retry(retry: Retry | None) -> str:
    time = local_time(retry.next_at) if retry is not None else None
    return "" if time is None else f"Next retry at {time:%H:%M:%S}"


def context_percent(fleet: Fleet, session: Session) -> float | None:
    """Return how full the model's context is, in percent; None if the model's limit is not known."""
    limit = fleet.limits.get(session.server, {}).get(session.model)
    return round(100 * session.context_tokens / limit, 1) if limit else None


def _limit_text(limit: PlanLimit, at: int) -> str:
    if not limit.is_current(at):
        return ""
    rest = f" · resets in {age(limit.resets_at - at)}" if limit.resets_at - at >= MINUTE else ""
    return f"Limit of {limit.name}: {limit.used_percent:.0f} % used{rest}"


def details(row: SessionRow, fleet: Fleet, at: int) -> tuple[tuple[str, str], ...]:
    """Return key and text of each known detail of a session, for its submenu."""
    session, server = row.session, row.server
    percent = context_percent(fleet, session)
    done = sum(1 for todo in session.todos if todo.status in ("completed", "cancelled"))
    subagents = len(fleet.tree(session.key)) - 1
    files = counted(session.files, "file", "files")
    lines = (
        ("status", f"{MARKS[row.status]} {STATUS_NAMES[row.status]} · {age(at - row.since)}"),
        ("reason", reason(row, at) if row.status not in (Status.BUSY, Status.DISCONNECTED) else ""),
        ("next-retry", _next_retry(session.retry) if row.status is Status.RETRY else ""),
        ("tool", f"Tool: {row.tool}" if row.tool else ""),
        ("stall", stall(row, at)),
        ("output", f"“{session.last_output}”" if session.last_output else ""),
        ("model", " · ".join(part for part in (session.agent, session.model) if part)),
        ("context", f"Context: {percent:g} %" if percent is not None else ""),
        ("usage", f"{amount(row.tokens.total)} tokens · ${row.cost:.2f}" if row.tokens.total else ""),
        *((f"limit {limit.name}", _limit_text(limit, at)) for limit in server.plan_limits),
        ("messages", counted(session.messages, "message", "messages") if session.messages else ""),
        ("todos", f"Todos: {done} of {len(session.todos)} done" if session.todos else ""),
        ("files", f"{files} changed, +{session.additions} -{session.deletions}" if session.files else ""),
        ("subagents", counted(subagents, "subagent session", "subagent sessions") if subagents else ""),
        ("branch", f"Branch: {server.branch}" if server.branch else ""),
        ("directory", shorten_path(session.directory or server.directory, DETAIL_COLUMNS)),
        ("host", f"{server.host} · {server.agent_kind.title} {server.version}" if server.version else server.host),
        ("read-only", f"Read-only: {server.read_only_reason}" if server.read_only_reason else ""),
    )
    return tuple((key, shorten(text, DETAIL_COLUMNS)) for key, text in lines if text)
