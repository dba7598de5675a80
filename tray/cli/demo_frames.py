"""The frames that `demo` sends: snapshots and events of simulated sessions (plugin/PROTOCOL.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

Frame = dict[str, Any] | list[Any]

PROJECTS = (("shop-api", "feature/refunds"), ("shop-web", "main"), ("infra", "upgrade-k8s"))
SESSIONS = (
    # project, id, parent, title, status
    ("shop-api", "ses_refund", None, "Refund flow with partial captures", {"type": "busy"}),
    ("shop-api", "ses_review", "ses_refund", "Review the migration (@review subagent)", {"type": "busy"}),
    ("shop-api", "ses_flaky", None, "Find out why checkout tests are flaky", {"type": "busy"}),
    ("shop-web", "ses_dark", None, "Dark mode for the settings page", {"type": "busy"}),
    ("shop-web", "ses_a11y", None, "Keyboard access in the date picker", {"type": "idle"}),
    ("infra", "ses_k8s", None, "Upgrade the cluster to 1.33", {"type": "busy"}),
    ("infra", "ses_cost", None, "Where did last month's bill come from?", {"type": "idle"}),
)
MODEL = "claude-demo"
READ_METHODS = ("session.messages", "session.todo", "session.diff")


def effects(method: str, params: dict[str, Any]) -> Iterator[Frame]:
    """Yield the events that follow a call."""
    session, request = params.get("sessionID"), params.get("requestID")
    match method:
        case "permission.reply":
            yield _event("permission.replied", sessionID=session, requestID=request, reply=params.get("reply"))
        case "question.reply":
            yield _event("question.replied", sessionID="ses_k8s", requestID=request)
        case "question.reject":
            yield _event("question.rejected", sessionID="ses_k8s", requestID=request)
        case "session.abort":
            yield _event("session.error", sessionID=session, error={"name": "MessageAbortedError"})
            yield _status(str(session), "idle")
        case "session.prompt":
            yield _status(str(session), "busy")
        case "session.delete":
            yield _event("session.deleted", info={"id": session})
        case "session.update":
            archived = {"time": {"archived": params.get("archived")}}
            changes = {"title": params["title"]} if "title" in params else archived
            yield _event("session.updated", info={"id": session, **changes})


def snapshot(project: str, at: int) -> Frame:
    """Return the snapshot of a project's sessions. `at`: now, in ms."""
    sessions = [session for session in SESSIONS if session[0] == project]
    return {
        "type": "snapshot",
        "sessions": [
            {
                "id": name,
                **({"parentID": parent} if parent else {}),
                "title": title,
                "directory": f"/home/dev/{project}",
                "agent": "build",
                "model": {"id": MODEL, "providerID": "demo"},
                "cost": 0.12 * number,
                "tokens": {"input": 21_000 * number, "output": 900 * number, "reasoning": 0, "cache": {"read": 9_000}},
                "time": {"created": at - 3_600_000 * number, "updated": at - 60_000 * number},
                "digest": {
                    "messages": 6 * number,
                    "last": {
                        "id": f"msg_{number}",
                        "role": "assistant",
                        "tokens": {"input": 30_000 * number, "output": 800},
                    },
                    "output": "Running the tests again with the new fixture.",
                },
            }
            for number, (_, name, parent, title, _) in enumerate(sessions, 1)
        ],
        "status": {name: status for _, name, _, _, status in sessions if status["type"] != "idle"},
        "permissions": [],
        "questions": [],
        "todos": {
            sessions[0][1]: [{"content": "Write the test first", "status": "completed"}, {"content": "Make it pass"}]
        },
        "limits": {f"demo/{MODEL}": 200_000},
    }


def first_events(at: int) -> Iterator[tuple[str, Frame]]:
    """Yield the events that bring a session into each state. `at`: now, in ms."""
    message = {"id": "msg_900", "role": "assistant", "finish": "stop", "time": {"completed": at}}
    yield "shop-web", _status("ses_a11y", "busy")
    yield "shop-web", _event("message.updated", info={**message, "sessionID": "ses_a11y"})
    yield "shop-web", _status("ses_a11y", "idle")
    error = {"name": "APIError", "data": {"message": "Your credit balance is too low"}}
    yield "infra", _event("session.error", sessionID="ses_cost", error=error)
    yield "shop-api", _event("message.part.updated", part=_tool("ses_refund", "edit"))
    retry = {"type": "retry", "attempt": 2, "message": "Overloaded", "next": at + 8_000}
    yield "shop-api", _event("session.status", sessionID="ses_flaky", status=retry)
    yield "shop-api", _ask("per_opening", at - 4 * 60_000)
    yield "infra", _question("que_opening")


def events(now: Callable[[], int]) -> Iterator[tuple[str, Frame]]:
    """Yield events in an endless loop: requests, answers, an error, finished turns. `now` returns ms."""
    yield "shop-api", _event("permission.replied", sessionID="ses_review", requestID="per_opening", reply="once")
    yield "infra", _event("question.replied", sessionID="ses_k8s", requestID="que_opening")
    for round_ in count():
        message = {"id": f"msg_{1000 + round_}", "role": "assistant", "finish": "stop", "time": {"completed": 1}}
        error = {"name": "APIError", "data": {"message": "The provider is overloaded"}}
        yield "shop-api", _ask(f"per_{round_}", now())
        yield "shop-web", _event("message.updated", info={**message, "sessionID": "ses_dark"})
        yield "shop-web", _status("ses_dark", "idle")
        yield "infra", _question(f"que_{round_}")
        yield "shop-api", _event("permission.replied", sessionID="ses_review", requestID=f"per_{round_}", reply="once")
        yield "shop-api", _event("session.error", sessionID="ses_flaky", error=error)
        yield "shop-api", _status("ses_flaky", "idle")
        yield "infra", _event("question.replied", sessionID="ses_k8s", requestID=f"que_{round_}")
        yield "shop-web", _status("ses_dark", "busy")
        yield "shop-api", _status("ses_flaky", "busy")


def _event(kind: str, **properties: Any) -> Frame:
    return [kind, properties]


def _status(session: str, kind: str) -> Frame:
    return _event("session.status", sessionID=session, status={"type": kind})


def _tool(session: str, tool: str) -> dict[str, Any]:
    return {"sessionID": session, "type": "tool", "tool": tool, "state": {"status": "running"}}


def _ask(request: str, at: int) -> Frame:
    return _event(
        "permission.asked",
        id=request,
        sessionID="ses_review",
        permission="bash",
        patterns=["pnpm prisma migrate deploy"],
        metadata={"command": "pnpm prisma migrate deploy"},
        always=["pnpm prisma *"],
        time={"created": at},
    )


def _question(request: str) -> Frame:
    options = [{"label": "Keep the old nodes"}, {"label": "Drain them now", "description": "20 minutes"}]
    question = {"question": "Keep the old node pool during the upgrade?", "header": "Nodes", "options": options}
    return _event("question.asked", id=request, sessionID="ses_k8s", questions=[question])
