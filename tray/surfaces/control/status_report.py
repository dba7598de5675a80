"""The fleet as `status --json` tells it: an interface for scripts, so its names stay."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

from tray import __version__
from tray.core.fleet import Fleet
from tray.core.model import Request, Server, Session, Status
from tray.core.session_index import EVERYTHING, SessionIndex, SessionRow
from tray.core.summary import Summary, next_waiting, summarize
from tray.core.text import shorten
from tray.surfaces.session_text import MARKS, context_percent, title

BAR_ROWS = 20  # sessions in a bar's tooltip or menu
TITLE = 60  # columns of a title there


def status_report(fleet: Fleet, index: SessionIndex) -> dict[str, Any]:
    """Everything known, as plain JSON values. Sessions: the worst root first, each followed by its descendants."""
    rows = sorted(index.rows(), key=lambda row: (row.status.urgency, row.since))
    sums = summarize(index)
    return {
        "version": __version__,
        "attention": _sums(sums),
        "muted": EVERYTHING in fleet.mutes,
        "servers": [_server(server) for server in fleet.servers.values()],
        "sessions": [told for row in rows for told in _tree(fleet, row, index.project(row))],
    }


def sums_report(index: SessionIndex) -> dict[str, Any]:
    """What a status bar shows: the sums, who is next, and the first few sessions. Costs the same with any fleet."""
    sums, following = summarize(index), next_waiting(index)
    return {
        "attention": _sums(sums),
        "mark": MARKS[sums.status],
        "next": _named(index, following) if following is not None else None,
        "sessions": [_named(index, row) for row in _first(index)],
    }


def _sums(sums: Summary) -> dict[str, Any]:
    return {"state": sums.status.value, "waiting": sums.waiting, "busy": sums.busy, "tooltip": sums.tooltip}


def _first(index: SessionIndex) -> Iterable[SessionRow]:
    """The first rows: the worst state, and in it who has been in it longest."""
    by_state = (index.oldest(status, BAR_ROWS) for status in sorted(Status, key=lambda status: status.urgency))
    return islice(chain.from_iterable(by_state), BAR_ROWS)


def _named(index: SessionIndex, row: SessionRow) -> dict[str, Any]:
    told = shorten(title(row.session), TITLE)
    return {"id": row.session.id, "mark": MARKS[row.status], "project": index.project(row), "title": told}


def _server(server: Server) -> dict[str, Any]:
    return {
        "id": server.id,
        "name": server.name,
        "host": server.host,
        "directory": server.directory,
        "branch": server.branch,
        "url": server.url,
        "connected": server.connected,
        "source": server.source.value,
        "verified": server.verified,
        "read_only_reason": server.read_only_reason,
        "problem": server.problem,
        "opencode": server.opencode,
        "plugin": server.plugin,
        "clock_skew": server.clock_skew,
        "services": [
            {"kind": service.kind, "name": service.name, "status": service.status, "why": service.why}
            for service in server.services
        ],
        "pid": server.pid,
    }


def _tree(fleet: Fleet, row: SessionRow, project: str) -> Iterable[dict[str, Any]]:
    """A root session and its descendants, all with the root's project."""
    yield {**_session(fleet, row.session, row.status, row.since, row.requests, row.muted), "project": project}
    for session in fleet.tree(row.key)[1:]:
        status = session.status if row.server.live else Status.DISCONNECTED
        below = _session(fleet, session, status, session.status_since, session.requests, row.muted)
        yield {**below, "project": project}


def _session(
    fleet: Fleet,
    session: Session,
    status: Status,
    since: int,
    requests: tuple[Request, ...],
    muted: bool,  # noqa: FBT001
) -> dict[str, Any]:
    server = fleet.servers[session.server]
    tokens = session.tokens
    return {
        "id": session.id,
        "server": session.server,
        "parent": session.parent,
        "title": session.title,
        "status": status.value,
        "status_since": since,
        "directory": session.directory or server.directory,
        "agent": session.agent,
        "model": session.model,
        "tokens": {
            "input": tokens.input,
            "output": tokens.output,
            "reasoning": tokens.reasoning,
            "cache_read": tokens.cache_read,
            "cache_write": tokens.cache_write,
        },
        "cost": round(session.cost, 6),
        "context_percent": context_percent(fleet, session),
        "messages": session.messages,
        "last_output": session.last_output,
        "tool": session.tool,
        "tool_since": session.tool_since if session.tool else None,
        "last_activity_at": session.last_activity_at,
        "error": session.failure.message or session.failure.name if session.failure else None,
        "retry": _retry(session),
        "files": {"changed": session.files, "additions": session.additions, "deletions": session.deletions},
        "requests": [_request(request) for request in requests],
        "todos": [{"content": todo.content, "status": todo.status} for todo in session.todos],
        "muted": muted,
    }


def _retry(session: Session) -> dict[str, Any] | None:
    retry = session.retry
    return None if retry is None else {"attempt": retry.attempt, "message": retry.message, "next": retry.next_at}


def _request(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "kind": request.kind.value,
        "session": request.session,
        "title": request.title,
        "detail": request.detail,
        "complete": request.complete,
        "always": list(request.always),
        "questions": [
            {
                "question": question.question,
                "header": question.header,
                "options": [{"label": o.label, "description": o.description} for o in question.options],
                "multiple": question.multiple,
                "custom": question.custom,
            }
            for question in request.questions
        ],
        "asked_at": request.asked_at,
        "sending": request.sending,
        "refusal": request.refusal,
    }
