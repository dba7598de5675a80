"""What the files of Copilot CLI say about its sessions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from copilot_events import AT_MS, RECORDING, answer, events, finished_turn, line, permission, prompt
from tray.agents.copilot.events import Events
from tray.agents.copilot.inference import is_settling, snapshot
from tray.agents.copilot.open_sessions import OpenSession, OpenSessions, configuration_folder
from tray.core.events import ServerConnected
from tray.core.fleet import Fleet
from tray.core.messages import Tokens
from tray.core.servers import Server
from tray.core.session_index import SessionIndex
from tray.core.sessions import Activity, Request

SESSION = OpenSession("ses", Path("/nowhere"), 7, 1_700_000_000.0, "/home/dev/project", "")
SHELL = {"kind": "shell", "fullCommandText": "touch a.txt", "intention": "Create a file"}


def activity(read: Events) -> Activity:
    taken = snapshot("server", SESSION, read)
    assert taken.activities is not None
    return taken.activities["ses"][0]


def requests(read: Events, *, has_ended: bool = False) -> list[Request]:
    taken = snapshot("server", SESSION, read, has_ended=has_ended)
    return [*(taken.permissions or ()), *(taken.questions or ())]


def title(session: OpenSession, read: Events) -> str | None:
    (facts,) = snapshot("server", session, read).sessions or ()
    return facts.title


def test_the_recorded_session_has_the_state_of_each_mark() -> None:
    fleet, read = Fleet(), Events()
    index = SessionIndex(fleet)
    index.update(fleet.apply(ServerConnected(Server("server", "project", "host", "/home/user/proj")), 1))
    expected, seen = [], []
    for text in RECORDING.read_text(encoding="utf-8").splitlines():
        recorded = json.loads(text)
        read.add(text.encode())
        if recorded["type"] == "mark" or not is_settling(read, read.changed_at):
            index.update(fleet.apply(snapshot("server", SESSION, read), read.changed_at))
        if recorded["type"] == "mark":
            expected.append(recorded["data"]["state"])
            row = index.row("ses")
            assert row is not None
            seen.append(row.status.value)
    assert seen == expected
    assert read.tokens == Tokens(15 * 1200, 15 * 34)  # of 15 requests to the model, 3 of them by subagents
    assert (read.directory, read.version) == ("/home/user/proj", "1.0.102")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (SHELL, ("shell", "touch a.txt")),
        ({"kind": "write", "fileName": "/a/b.txt", "diff": "+x", "intention": "Edit"}, ("write", "/a/b.txt")),
        ({"kind": "read", "path": "/etc/hosts"}, ("read", "/etc/hosts")),
        ({"kind": "url", "url": "https://a"}, ("url", "https://a")),
        ({"kind": "mcp", "toolName": "search"}, ("mcp", "search")),
        ({"intention": "Something new"}, ("permission", "Something new")),
    ],
)
def test_a_permission_tells_what_it_is_asked_for(asked: dict[str, Any], expected: tuple[str, str]) -> None:
    (request,) = requests(events(prompt(), permission(asked)))
    assert (request.id, request.title, request.detail) == ("p1", *expected)
    assert (request.complete, request.asked_at) == (False, AT_MS)
    assert request.read_only_reason == "Copilot CLI takes this answer only in its terminal"


def test_permissions_are_independent_and_those_of_a_subagent_count() -> None:
    asked = [permission(SHELL), permission(SHELL, id_="p2", agent="a")]
    read = events(prompt(), *asked, line("permission.completed", requestId="p1"))
    assert [request.id for request in requests(read)] == ["p2"]
    assert requests(events(prompt(), *asked, line("abort"))) == []
    assert requests(events(prompt(), *asked, line("session.resume"))) == []  # it was killed while it waited


def test_the_requests_of_a_process_that_ended_are_gone_and_its_turn_is_unfinished() -> None:
    read = events(prompt(), permission(SHELL))
    assert requests(read, has_ended=True) == []
    assert activity(read) is Activity.BUSY
    assert activity(events(*finished_turn(), line("session.shutdown"))) is Activity.IDLE


def test_a_question_is_shown_with_its_options() -> None:
    colour = {"type": "string", "title": "Colour", "enum": ["Red", "Blue"]}
    size = {"type": "number"}

    def asking(**properties: Any) -> Request:
        form = {"message": "What?", "requestedSchema": {"properties": properties}}
        tool = line("tool.execution_start", toolCallId="c1", toolName="ask_user", arguments=form)
        (request,) = requests(events(prompt(), tool))
        return request

    request = asking(colour=colour)
    assert (request.id, request.detail) == ("c1", "What?")
    (question,) = request.questions
    assert (question.question, question.header) == ("What?", "Colour")
    assert [option.label for option in question.options] == ["Red", "Blue"]
    assert [question.question for question in asking(colour=colour, size=size).questions] == ["Colour", "size"]
    assert asking(colour="of another shape").questions == ()


def test_a_subagent_in_the_background_keeps_the_session_busy() -> None:
    begun = [*finished_turn(), line("subagent.started", agent="a")]
    own = line("assistant.turn_end", agent="a")  # says nothing about the session
    assert activity(events(*begun, own)) is Activity.BUSY
    ended = events(*begun, line("subagent.completed", "2026-11-25T22:56:41.000Z", agent="a"))
    assert activity(ended) is Activity.IDLE
    assert [is_settling(ended, AT_MS + 1_000 + after) for after in (999, 1_000)] == [True, False]  # it goes on


def test_the_end_of_a_turn_is_final_when_a_message_or_an_error_ended_it_or_after_a_second() -> None:
    def settling(*lines: str) -> list[bool]:
        return [is_settling(events(*lines), AT_MS + after) for after in (0, 99, 100, 999, 1_000)]

    begun = prompt(), line("assistant.turn_start")
    assert settling(*finished_turn()) == [True, True, False, False, False]
    assert settling(*begun, line("assistant.turn_end"), line("session.error", message="400"))[2:] == [False] * 3
    assert settling(*begun, answer(tools=1), line("assistant.turn_end")) == [True, True, True, True, False]
    assert settling(*begun) == [False] * 5
    assert settling(line("session.start")) == [False] * 5


def test_a_permission_that_is_answered_automatically_is_not_shown() -> None:
    asked = events(prompt(), permission(SHELL))
    assert [is_settling(asked, AT_MS + after) for after in (0, 99, 100)] == [True, True, False]


def test_the_model_is_one_of_github_unless_the_user_brought_it() -> None:
    def model(**usage: Any) -> str:
        read = events(line("session.usage_record", usage={"inputTokens": 1_200, **usage}), answer())
        assert read.last is not None
        return read.last.model

    assert model() == "github-copilot/fake-1"
    assert model(isByok=True) == "fake-1"


def test_cached_tokens_are_counted_once() -> None:
    usage = {"inputTokens": 1_200, "outputTokens": 34, "cacheReadTokens": 200, "cacheWriteTokens": 100}
    assert events(line("session.usage_record", usage=usage)).tokens == Tokens(900, 34, 0, 200, 100)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"type": 1}', line("user.message", content=1), line("session.usage_record", usage=[]),
     line("permission.requested", requestId=[]), line("unknown.event", content="x")],
)  # fmt: skip
def test_a_line_of_another_shape_changes_nothing(text: str) -> None:
    read, changed = events(*finished_turn()), events(*finished_turn(), text)
    assert snapshot("server", SESSION, changed) == snapshot("server", SESSION, read)


def opened(folder: Path, session: str, pid: int, workspace: str = "cwd: /home/dev/project\n") -> Path:
    path = folder / "session-state" / session
    path.mkdir(parents=True, exist_ok=True)
    (path / f"inuse.{pid}.lock").write_text(str(pid), encoding="utf-8")
    (path / "workspace.yaml").write_text(workspace, encoding="utf-8")
    return path


def test_sessions_with_a_lock_are_open(tmp_path: Path) -> None:
    sessions = OpenSessions(tmp_path)
    assert sessions.read() == []
    folder = opened(tmp_path, "a", 5)
    (tmp_path / "session-state" / "ended").mkdir()
    (tmp_path / "session-state" / ".session-operation-locks").mkdir()
    (tmp_path / "session-state" / "a file").touch()
    (found,) = sessions.read()
    assert (found.id, found.pid, found.folder, found.directory) == ("a", 5, folder, "/home/dev/project")
    assert found.opened == (folder / "inuse.5.lock").stat().st_mtime
    (folder / "inuse.5.lock").unlink()
    opened(tmp_path, "ended", 6)
    assert [(session.id, session.pid) for session in sessions.read()] == [("ended", 6)]


def test_a_folder_that_was_listed_is_not_listed_again_before_it_changes(tmp_path: Path) -> None:
    sessions = OpenSessions(tmp_path)
    folder = opened(tmp_path, "a", 5)
    os.utime(folder, (1_000, 1_000))
    assert len(sessions.read()) == 1
    (folder / "inuse.6.lock").touch()
    os.utime(folder, (1_000, 1_000))
    assert len(sessions.read()) == 1
    os.utime(folder, (1_001, 1_001))
    assert len(sessions.read()) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: New name\nuser_named: true\n", "New name"),
        ("name: 'it''s \"quoted\"'\n", 'it\'s "quoted"'),
        ('name: "a\\tb"\n', "a\tb"),
        ('name: "broken\n', ""),
        ("name: |\n  several\n  lines\n", ""),
        ("name:\n", ""),
        ("cwd: /x\n", ""),
    ],
)
def test_the_name_of_a_session_is_its_title_else_the_first_prompt(tmp_path: Path, text: str, expected: str) -> None:
    opened(tmp_path, "a", 5, text)
    (session,) = OpenSessions(tmp_path).read()
    assert title(session, Events()) == expected
    assert title(session, events(prompt("do\n it"), prompt("more"))) == (expected or "do it")


def test_copilot_home_names_the_folder(tmp_path: Path) -> None:
    assert configuration_folder({"COPILOT_HOME": "/x"}, tmp_path) == Path("/x")
    assert configuration_folder({}, tmp_path) == tmp_path / ".copilot"
