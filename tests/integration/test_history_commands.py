"""The commands `usage` and `history`, without a running tray."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tray.core.history import SessionRecord, StepRecord
from tray.core.messages import Tokens
from tray.storage.history.database import open_history
from tray.storage.history.recorder import Recorder
from tray.system.local_day import date_of, day_number
from tray_process import Home

TODAY = day_number(time.time_ns() // 1_000_000)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with a history: a session with a subagent, and one of another project."""
    home = Home(tmp_path)
    connection, _ = open_history(tmp_path / "data/opencode-tray/history.db")
    with closing(connection):
        Recorder(connection).store(
            [
                SessionRecord("ses_root", host="desk", directory="/p/app", title="Fix, it"),
                SessionRecord("ses_child", parent="ses_root", host="desk", directory="/p/app", title="Look"),
                SessionRecord("ses_other", host="desk", directory="/p/lib", title="Write"),
                step(1, "ses_root", model="a/large", reported=1_500_000),
                step(2, "ses_child", model="a/small", reported=250_000, agent="explore"),
                step(3, "ses_other", model="a/large", estimated=100_000),
                step(4, "ses_other", model="b/unknown", day=TODAY - 1),
            ]
        )
    return home


def step(number: int, session: str, **fields: object) -> StepRecord:
    day = {"day": TODAY, "tokens": Tokens(100, 10, 0, 300)}
    return StepRecord(f"msg_{number}", session, 1_000 + number, **{**day, **fields})  # type: ignore[arg-type]


def printed(home: Home, *words: str) -> str:
    done = home.run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(home: Home, *words: str) -> str:
    done = home.run(*words)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_sessions_are_found_by_the_words_of_their_texts(home: Home) -> None:
    assert [line.split()[0] for line in printed(home, "history", "search", "LOOK").splitlines()] == ["ID", "ses_root"]
    (found,) = json.loads(printed(home, "history", "search", "fix,", "it", "--json"))
    assert (found["id"], found["agent_kind"], found["reported_cost"]) == ("ses_root", "opencode", 1.75)
    assert found["hits"] == [{"kind": "title", "at": 0, "text": "Fix, it"}]
    assert "ses_other" in printed(home, "history", "search", "--project", "/p/lib")
    assert printed(home, "history", "search", "--pinned") == "No session in the history matches\n"


def test_usage_shows_the_groups_and_their_sum(home: Home) -> None:
    lines = printed(home, "usage", "--by", "model").splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["a/large", "a/small"]
    assert lines[3].startswith(f"{date_of(TODAY)}, 2 sessions")
    assert "$1.75" in lines[3]
    assert "75%" in lines[3]
    earlier = printed(home, "usage", "--from", str(date_of(TODAY - 1)), "--by", "project", "--json")
    report = json.loads(earlier)
    assert {group["project"]: group["reported_cost"] for group in report["groups"]} == {"/p/app": 1.75, "/p/lib": 0.0}
    assert (report["total"]["estimated_cost"], report["total"]["unpriced_steps"], report["sessions"]) == (0.1, 1, 2)


def test_usage_names_what_is_wrong_with_the_days(home: Home, tmp_path: Path) -> None:
    assert "must be a date" in refused(home, "usage", "--from", "yesterday")
    assert "is after" in refused(home, "usage", "--from", "2026-11-02", "--to", "2026-11-01")
    assert "cannot be combined" in refused(home, "usage", "week", "--from", "2026-11-01")
    assert "--to needs --from" in refused(home, "usage", "--to", "2026-11-01")
    assert "No usage is recorded" in printed(home, "usage", "--from", "2020-01-01", "--to", "2020-01-02")
    (tmp_path / "empty").mkdir()
    assert "No usage is recorded" in printed(Home(tmp_path / "empty"), "usage")


def test_an_export_has_each_response_with_its_root_session(home: Home) -> None:
    rows = printed(home, "history", "export", "--from", str(date_of(TODAY))).splitlines()
    assert len(rows) == 4
    assert rows[0].startswith("id,session,root,title")
    assert rows[1].startswith('msg_1,ses_root,ses_root,"Fix, it"')
    assert rows[2].startswith("msg_2,ses_child,ses_root,Look")
    assert len(printed(home, "history", "export", "--json").splitlines()) == 4


def test_a_deleted_session_needs_a_confirmation_and_is_gone(home: Home) -> None:
    assert "pass --yes" in refused(home, "history", "delete", "ses_root")
    assert "2 sessions have" not in refused(home, "history", "delete", "nothing", "--yes")
    assert "3 sessions have" in refused(home, "history", "delete", "ses_", "--yes")
    assert "name a session" in refused(home, "history", "delete", "--yes")
    assert "Removed 2 sessions" in printed(home, "history", "delete", "ses_ro", "--yes")
    assert "Fix, it" not in printed(home, "history", "export")
    assert "$1.75" in printed(home, "usage")
    assert "Removed 1 session " in printed(home, "history", "delete", "--project", "/p/lib", "--numbers", "--yes")
    assert json.loads(printed(home, "usage", "--json"))["total"]["estimated_cost"] == 0
    assert "MB now" in printed(home, "history", "vacuum")


def test_a_backup_is_a_whole_private_copy_and_replaces_nothing(home: Home, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert "Copied" in printed(home, "history", "backup", str(copy))
    assert sys.platform == "win32" or copy.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM step").fetchone() == (4,)
    assert "exists" in refused(home, "history", "backup", str(copy))
    (tmp_path / "empty").mkdir()
    assert "nothing is recorded" in refused(Home(tmp_path / "empty"), "history", "backup", str(tmp_path / "new.db"))


def test_an_import_without_any_agent_finds_nothing(tmp_path: Path) -> None:
    assert "Imported 0 sessions" in printed(Home(tmp_path), "history", "import")
    home = Home(tmp_path)
    home.environment["OPENCODE_TRAY_HISTORY_ENABLED"] = "0"
    assert "the history is off" in refused(home, "history", "import")
