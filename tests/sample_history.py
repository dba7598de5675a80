"""A history of a year with weekends, holidays and growing use, for tests of the page's look and for its pictures."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tray.core.history import (
    EditRecord,
    HistoryRecord,
    RequestRecord,
    SessionRecord,
    StepRecord,
    TurnOutcome,
    TurnRecord,
)
from tray.core.messages import Tokens
from tray.core.servers import AgentKind
from tray.storage.history.database import open_history
from tray.storage.history.recorder import Recorder
from tray.storage.history.selection import midnight
from tray.system.local_day import date_of, day_number

DAYS = 365
HOUR = 3_600_000
YESTERDAY = "ses_yesterday"  # the id of a session of that day
PROJECTS = (("shop-api", 10), ("shop-web", 6), ("infra", 3), ("notes", 1))
MODELS = (  # name, weight, ms for a token of output, micro-dollars for a token (0: the agent reports no cost)
    ("anthropic/claude-demo", 8, 14, 11),
    ("anthropic/claude-demo-small", 5, 6, 3),
    ("openai/demo-large", 3, 20, 0),
    ("local/demo-7b", 1, 40, 0),
)
TITLES = (
    "Refund flow with partial captures", "Find out why checkout tests are flaky", "Dark mode for the settings page",
    "Upgrade the cluster to 1.33", "Rotate the audit logs", "Keyboard access in the date picker",
    "Where did last month's bill come from?", "Document the webhook signatures",
)  # fmt: skip
PROMPTS = (  # with the last line of the reply
    (
        "A refund may never be more than what was captured. Write the test first.",
        "12 tests pass; the migration is left.",
    ),
    ("Why does the checkout test fail every tenth run?", "Two workers share the port; each gets its own now."),
    ("Use the colour tokens, and follow the system's setting", "All 41 snapshots are updated."),
    ("Rotate at 100 MB, keep seven files, compress the old ones", "Done; the log of today is untouched."),
)
OUTCOMES = ([TurnOutcome.COMPLETED] * 17) + ([TurnOutcome.ABORTED] * 2) + [TurnOutcome.FAILED]


def fill_history(path: Path, seed: int = 4) -> None:
    """Store the records of a year up to now."""
    connection, _ = open_history(path)
    with closing(connection):
        Recorder(connection).store(_records(random.Random(seed)))  # noqa: S311  # the same history each time


def _records(rng: random.Random) -> Iterator[HistoryRecord]:
    now = time.time_ns() // 1_000_000
    today = day_number(now)
    for ago in range(DAYS):
        day = today - ago
        is_free = date_of(day).weekday() >= 5 or 118 < ago < 131
        for number in range(rng.randrange(2) if is_free else 1 + rng.randrange(2 + (DAYS - ago) // 70)):
            yield from _session(rng, f"ses_past_{ago}_{number}", day, now)
    yield from _session(rng, YESTERDAY, today - 1, now)


def hash_of(session: str, turn: int) -> int:
    """Return the same number in each process."""
    return sum(session.encode()) + turn


def _session(rng: random.Random, session: str, day: int, now: int) -> Iterator[HistoryRecord]:
    ((project, _),) = rng.choices(PROJECTS, [weight for _, weight in PROJECTS])
    kind = rng.choices((AgentKind.OPENCODE, AgentKind.CLAUDE, AgentKind.CODEX), (7, 2, 1))[0]
    yield SessionRecord(session, kind, host="desk", directory=f"/home/dev/{project}", title=rng.choice(TITLES))
    at = midnight(day) + round(rng.triangular(8, 18, 10.5) * HOUR)
    for turn in range(1 + rng.randrange(7)):
        started = at
        for step in range(1 + rng.randrange(6)):
            ((model, _, speed, price),) = rng.choices(MODELS, [weight for _, weight, _, _ in MODELS])
            tokens = Tokens(
                rng.randrange(3_000), 100 + rng.randrange(900), 0, rng.randrange(60_000), rng.randrange(4_000)
            )
            begun, at = at, at + round(tokens.output * speed * rng.uniform(0.6, 2.2))
            if at > now:
                return
            cost = (tokens.input + tokens.output * 5 + tokens.cache_write) * price
            money = {"reported": cost} if price else {"estimated": tokens.output * 9} if model.startswith("o") else {}
            yield StepRecord(
                f"msg_{session}_{turn}_{step}", session, at, day, begun, model,
                rng.choice(("build", "build", "plan")), tokens, **money,
            )  # fmt: skip
        if kind is AgentKind.OPENCODE and turn % 2:
            extension = (".py", ".py", ".ts", ".md", ".yaml", "")[hash_of(session, turn) % 6]
            yield EditRecord(f"call_{session}_{turn}", session, at, day, extension, 4 + turn * 3, turn)
        if rng.random() < 0.4:
            asked, at = at, at + round(rng.expovariate(1 / 40_000))
            yield RequestRecord(f"per_{session}_{turn}", session, "permission", "bash", "make", asked, at, "once")
        prompt, reply = PROMPTS[hash_of(session, turn) % len(PROMPTS)]
        yield TurnRecord(session, started, at, day, rng.choice(OUTCOMES), prompt=prompt, reply=reply)
        at += rng.randrange(HOUR)
