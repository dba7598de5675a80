"""The JSON of `status --json`, which is an interface for scripts, and of the control API's `summary`.

The keys stay stable. Times (`…_at`, `…_since`) are milliseconds since the Unix epoch, 0 if unknown.

version, muted        the tray's version; whether all notifications are muted
attention             state (the most urgent status of all sessions), waiting and busy (numbers of root sessions),
                      tooltip (the summary as text)
servers               instances of OpenCode, one for each directory in a process, and processes of other agents
  id, name, host, directory, branch, url (null without an HTTP server), pid (0 if unknown)
  agent_kind          opencode or claude
  version, plugin     of the agent, and of the plugin in it
  source              plugin, http, agent, dashboard, local or team: how the tray learns of it
  owner               the tray that publishes it in a team, USER@HOST; else empty
  connected, verified whether it is connected, and whether it proved the token
  read_only_reason    why its sessions cannot be answered from here; empty if they can
  problem             why it cannot be followed; empty if it can
  clock_skew          ms by which its clock was ahead of the tray's when it connected
  services            its MCP and LSP servers: kind, name, status, error
  plan_limits         the limits of the user's plan, where the agent reports them: name, used_percent, resets_at
sessions              the most urgent root session first, each followed by its subagent sessions
  id, server (ID), parent (ID or null), title, directory, project (name), agent, model
  status, status_since, muted
  tokens, cost (USD), context_percent (null if unknown), messages (count), files (changed, additions, deletions)
  last_output         the last line that the agent wrote
  tool, tool_since    the running tool, and when it started (null if none runs)
  last_activity_at    when it last did something
  error               why the last turn failed (null if it did not)
  retry               null, or attempt, message and next_at (when OpenCode tries again)
  todos               content and status of each item
  requests            pending permissions and questions; of a root session also those of its subagent sessions
    id, kind (permission or question), session (ID), title, asked_at
    detail, complete  what is asked, and whether `detail` has all of it
    read_only_reason  why it cannot be answered from here; empty if it can
    always            patterns that the answer "always" would allow
    questions         question, header, options (label, description), multiple, custom (own text is allowed)
    sending           whether an answer was sent and is not confirmed yet
    send_error        why the last answer from here failed; empty if it did not
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

from tray import __version__
from tray.core.answers import read_only_reason
from tray.core.fleet import Fleet
from tray.core.request_digest import content_of
from tray.core.servers import Server
from tray.core.session_index import EVERYTHING, SessionIndex, SessionRow
from tray.core.sessions import Request, Session, Status
from tray.core.summary import Summary, next_waiting, summarize
from tray.core.text import shorten
from tray.surfaces.session_text import MARKS, context_percent, title
from tray.system.own_host import own_host

BAR_ROWS = 20  # sessions in the tooltip or menu of a status bar
TITLE_WIDTH = 60  # columns of a title there


def status_report(fleet: Fleet, index: SessionIndex) -> dict[str, Any]:
    """Return the servers and sessions as plain JSON values."""
    rows = sorted(index.rows(), key=lambda row: (row.status.urgency, row.since))
    return {
        "version": __version__,
        "host": own_host(),
        "attention": _attention(summarize(index)),
        "muted": EVERYTHING in fleet.mutes,
        "servers": [_server(server) for server in fleet.servers.values()],
        "sessions": [session for row in rows for session in _tree(fleet, row, index.project(row))],
    }


def summary_report(index: SessionIndex) -> dict[str, Any]:
    """Return what a status bar shows. Its size and cost do not depend on the number of sessions."""
    summary, next_session = summarize(index), next_waiting(index)
    return {
        "attention": _attention(summary),
        "symbol": MARKS[summary.status],
        "next_session": _bar_row(index, next_session) if next_session is not None else None,
        "sessions": [_bar_row(index, row) for row in _most_urgent(index)],
    }


def _attention(summary: Summary) -> dict[str, Any]:
    return {
        "state": summary.status.value,
        "waiting": summary.waiting,
        "busy": summary.busy,
        "tooltip": summary.tooltip,
    }


def _most_urgent(index: SessionIndex) -> Iterable[SessionRow]:
    """Return the first BAR_ROWS rows by urgency, and by age among those of the same status."""
    by_status = (index.oldest(status, BAR_ROWS) for status in sorted(Status, key=lambda status: status.urgency))
    return islice(chain.from_iterable(by_status), BAR_ROWS)


def _bar_row(index: SessionIndex, row: SessionRow) -> dict[str, Any]:
    return {
        "id": row.session.id,
        "symbol": MARKS[row.status],
        "project": index.project(row),
        "title": shorten(title(row.session), TITLE_WIDTH),
    }


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
        "owner": server.owner,
        "verified": server.verified,
        "read_only_reason": server.read_only_reason,
        "problem": server.problem,
        "agent_kind": server.agent_kind.value,
        "version": server.version,
        "plugin": server.plugin,
        "clock_skew": server.clock_skew,
        "services": [
            {"kind": service.kind, "name": service.name, "status": service.status, "error": service.why}
            for service in server.services
        ],
        "plan_limits": [
            {"name": limit.name, "used_percent": limit.used_percent, "resets_at": limit.resets_at}
            for limit in server.plan_limits
        ],
        "pid": server.pid,
    }


def _tree(fleet: Fleet, row: SessionRow, project: str) -> Iterable[dict[str, Any]]:
    """Yield a root session and its descendants, all with the project and mute of the root."""
    yield {**_session(fleet, row.session, row.status, row.since, row.requests, row.muted), "project": project}
    for session in fleet.tree(row.key)[1:]:
        status = session.status if row.server.live else Status.DISCONNECTED
        child = _session(fleet, session, status, session.status_since, session.requests, row.muted)
        yield {**child, "project": project}


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
        "requests": [_request(server, request) for request in requests],
        "todos": [{"content": todo.content, "status": todo.status} for todo in session.todos],
        "muted": muted,
    }


def _retry(session: Session) -> dict[str, Any] | None:
    retry = session.retry
    return None if retry is None else {"attempt": retry.attempt, "message": retry.message, "next_at": retry.next_at}


def _request(server: Server, request: Request) -> dict[str, Any]:
    return {
        **content_of(request),
        "read_only_reason": read_only_reason(server, request),
        "asked_at": request.asked_at,
        "sending": request.sending,
        "send_error": request.refusal,
    }
