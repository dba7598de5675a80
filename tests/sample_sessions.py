"""A fake OpenCode with sessions in every state, for tests of the page's look and for its pictures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fakes import FakePlugin, connection
from running_app import RunningApp
from waiting import until_async

MINUTE = 60_000
MODEL = {"id": "claude-demo", "providerID": "demo"}
EDIT = """src/refunds/capture.py
@@ -41,7 +41,9 @@ def capture(order: Order, amount: Money) -> Capture:
     if amount > order.authorized:
         raise CaptureError("more than was authorized")
-    provider.capture(order.payment, amount)
+    partial = amount < order.authorized
+    provider.capture(order.payment, amount, final=not partial)
+    order.record(Captured(amount, partial=partial))
     return order.capture"""
SESSIONS = (  # project, ID, parent, title, minutes ago, cost, context tokens
    ("shop-api", "ses_refund", None, "Refund flow with partial captures", 3, 1.84, 142_000),
    ("shop-api", "ses_review", "ses_refund", "Review the migration", 2, 0.21, 31_000),
    ("shop-api", "ses_explore", "ses_refund", "Find the callers of capture()", 9, 0.08, 18_000),
    ("shop-api", "ses_flaky", None, "Find out why checkout tests are flaky", 12, 0.67, 74_000),
    ("shop-api", "ses_docs", None, "Document the webhook signatures", 190, 0.31, 22_000),
    ("shop-web", "ses_dark", None, "Dark mode for the settings page", 6, 0.92, 88_000),
    ("shop-web", "ses_a11y", None, "Keyboard access in the date picker", 18, 0.44, 40_000),
    ("infra", "ses_k8s", None, "Upgrade the cluster to 1.33", 4, 2.35, 186_000),
    ("infra", "ses_cost", None, "Where did last month's bill come from?", 25, 0.15, 9_000),
    ("infra", "ses_logs", None, "Rotate the audit logs", 1500, 0.05, 7_000),
)
STATUS = {"ses_refund": "busy", "ses_review": "busy", "ses_flaky": "busy", "ses_dark": "busy", "ses_k8s": "busy"}
BRANCHES = {"shop-api": "feature/refunds", "shop-web": "main", "infra": "upgrade-k8s"}
TODOS = [
    {"content": "Write the failing test for a partial capture", "status": "completed"},
    {"content": "Record each capture as an event", "status": "completed"},
    {"content": "Refund only what was captured", "status": "in_progress"},
    {"content": "Migrate the open orders", "status": "pending"},
]
MARKDOWN = """The refund is now limited to **what was captured**, not to what was authorized:

1. `Order.captured` sums the capture events.
2. `refund()` raises `RefundError` above that sum.

| Case | Before | Now |
|---|---|---|
| partial capture | refunded all | refunds the part |
| second refund | allowed | refused |

```python
def refundable(order: Order) -> Money:
    return order.captured - order.refunded
```

I still have to migrate the open orders, which needs your permission."""


def snapshot(project: str, at: int) -> dict[str, Any]:
    """Return the snapshot of a project. `at`: now, in ms."""
    sessions = [session for session in SESSIONS if session[0] == project]
    return {
        "type": "snapshot",
        "sessions": [
            {
                "id": name,
                **({"parentID": parent} if parent else {}),
                "title": title,
                "directory": f"/home/dev/{project}",
                "agent": "explore" if parent else "build",
                "model": MODEL,
                "cost": cost,
                "tokens": {"input": tokens, "output": 2_000, "reasoning": 0, "cache": {"read": 9_000}},
                "time": {"created": at - 90 * MINUTE, "updated": at - minutes * MINUTE},
                "digest": {
                    "messages": 12,
                    "last": {"id": f"msg_{name}", "role": "assistant", "tokens": {"input": tokens, "output": 800}},
                    "output": "Running the tests again with the new fixture.",
                },
            }
            for _, name, parent, title, minutes, cost, tokens in sessions
        ],
        "status": {name: {"type": STATUS[name]} for _, name, *_ in sessions if name in STATUS},
        "permissions": [],
        "questions": [],
        "todos": {"ses_refund": TODOS} if project == "shop-api" else {},
        "limits": {"demo/claude-demo": 200_000},
        "branch": BRANCHES[project],
    }


def events(at: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (project, kind, properties) that bring the sessions into each state."""
    done = {"id": "msg_900", "sessionID": "ses_a11y", "role": "assistant", "finish": "stop", "time": {"completed": at}}
    failure = {"name": "APIError", "data": {"message": "Your credit balance is too low"}}
    tool = {"sessionID": "ses_dark", "type": "tool", "tool": "edit", "state": {"status": "running"}}
    retry = {"type": "retry", "attempt": 2, "message": "Overloaded", "next": at + 8_000}
    question = {
        "question": "Keep the old node pool during the upgrade?",
        "header": "Nodes",
        "options": [
            {"label": "Keep the old nodes", "description": "costs about $40 for a day"},
            {"label": "Drain them now", "description": "20 minutes without spare capacity"},
        ],
    }
    return [
        ("shop-web", "session.status", {"sessionID": "ses_a11y", "status": {"type": "busy"}}),
        ("shop-web", "message.updated", {"info": done}),
        ("shop-web", "session.status", {"sessionID": "ses_a11y", "status": {"type": "idle"}}),
        ("shop-web", "message.part.updated", {"part": tool}),
        ("infra", "session.error", {"sessionID": "ses_cost", "error": failure}),
        ("shop-api", "session.status", {"sessionID": "ses_flaky", "status": retry}),
        ("shop-api", "permission.asked", _ask("per_migrate", "ses_review", at - 4 * MINUTE)),
        ("shop-api", "permission.asked", _edit(at - 2 * MINUTE)),
        ("infra", "question.asked", {"id": "que_nodes", "sessionID": "ses_k8s", "questions": [question]}),
    ]


def _ask(request: str, session: str, at: int) -> dict[str, Any]:
    command = "pnpm prisma migrate deploy --schema packages/db/schema.prisma"
    return {
        "id": request,
        "sessionID": session,
        "permission": "bash",
        "patterns": [command],
        "metadata": {"command": command},
        "always": ["pnpm prisma *"],
        "time": {"created": at},
    }


def _edit(at: int) -> dict[str, Any]:
    metadata = {"filepath": "src/refunds/capture.py", "diff": EDIT.partition("\n")[2]}
    return {
        "id": "per_edit",
        "sessionID": "ses_refund",
        "permission": "edit",
        "patterns": ["src/refunds/capture.py"],
        "metadata": metadata,
        "always": ["*"],
        "time": {"created": at},
    }


MESSAGES = [
    {
        "info": {"role": "user", "time": {"created": 1_795_237_290_000}},
        "parts": [{"type": "text", "text": "A refund may never be more than what was captured. Write the test first."}],
    },
    {
        "info": {"role": "assistant", "agent": "build", "time": {"created": 1_795_237_350_000}},
        "parts": [
            {"type": "tool", "tool": "read", "state": {"status": "completed", "title": "src/refunds/capture.py"}},
            {"type": "tool", "tool": "bash", "state": {"status": "completed", "title": "pytest tests/refunds -q"}},
            {"type": "text", "text": MARKDOWN},
        ],
    },
]
DIFF = [{"file": "src/refunds/capture.py", "additions": 3, "deletions": 1, "patch": EDIT.partition("\n")[2]}]
RESULTS = {"session.messages": MESSAGES, "session.diff": DIFF, "session.todo": TODOS}


async def _answer_calls(link: FakePlugin) -> None:
    async for message in link.socket:
        call = json.loads(message.data)
        if "method" not in call:
            continue
        method, params = call["method"], call.get("params", {})
        await link.send({"id": call["id"], "result": RESULTS.get(method, {})})
        if method in ("permission.reply", "question.reply", "question.reject"):
            kind = "permission.replied" if method == "permission.reply" else "question.replied"
            session = params.get("sessionID") or "ses_k8s"
            replied = {"sessionID": session, "requestID": params["requestID"], "reply": params.get("reply", "")}
            await link.event(kind, **replied)


@asynccontextmanager
async def sample_sessions(running: RunningApp) -> AsyncIterator[dict[str, FakePlugin]]:
    """Connect a fake OpenCode for each project; yield their connections once all states are there."""
    at = time.time_ns() // 1_000_000
    async with AsyncExitStack() as stack:
        links: dict[str, FakePlugin] = {}
        for project in BRANCHES:
            link = await stack.enter_async_context(connection(f"http://127.0.0.1:{running.app.port}/"))
            await link.authenticate(instance=f"oc-{project}", directory=f"/home/dev/{project}", project=project)
            await link.send(snapshot(project, at))
            links[project] = link
        await until_async(lambda: len(running.app.status()["sessions"]) == len(SESSIONS), "all sessions")
        for project, kind, properties in events(at):
            await links[project].event(kind, **properties)
        await until_async(lambda: running.waiting == 2, "the requests")
        answering = [asyncio.create_task(_answer_calls(link)) for link in links.values()]
        try:
            yield links
        finally:
            for task in answering:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
