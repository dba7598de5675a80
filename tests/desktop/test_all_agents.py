"""One tray with three OpenCodes, two Claude Codes and two Codexes, as its user sees them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from test_panel import colour
from tray_with_icon import TrayWithIcon

from claude_code import DIALOG, ClaudeCode
from codex import DIALOG as CODEX_DIALOG
from codex import Codex, touch
from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray.core.sessions import Status
from waiting import until

pytestmark = [pytest.mark.desktop, pytest.mark.opencode, pytest.mark.claude_code, pytest.mark.codex]

LONG = {"words": 2_000, "pause": 0.1}
SCRIPTS: dict[str, dict[str, Any]] = {  # by prompt
    "Fix the checkout tests": {"calls": [[["bash", {"command": "npm test -- checkout", "description": "Run tests"}]]]},
    "Move invoices to the new schema": LONG,
    "Translate the handbook": {"words": 3},
    "Add rate limits to the gateway": {"calls": [[["Bash", {"command": "make load-test", "description": "Test"}]]]},
    "Review the open pull requests": LONG,
    "Update the parser": {**touch("parser.lock"), "title": "Update the parser"},
    "Profile the start": LONG,
}
EXPECTED = {
    ("opencode", "Fix the checkout tests"): "waiting_for_permission",
    ("opencode", "Move invoices to the new schema"): "busy",
    ("opencode", "Translate the handbook"): "completed",
    ("claude", "Add rate limits to the gateway"): "waiting_for_permission",
    ("claude", "Review the open pull requests"): "busy",
    ("codex", "Update the parser"): "waiting_for_permission",
    ("codex", "Profile the start"): "busy",
}


class Gateway(ClaudeCode):
    project_name = "gateway"


class Compiler(Codex):
    project_name = "compiler"


class AllAgents:
    """The tray, and the agents that report to it."""

    def __init__(self, tray: TrayWithIcon, claude: ClaudeCode, codex: Codex) -> None:
        self.tray = tray
        self.claude = claude
        self.codex = codex

    def statuses(self) -> dict[tuple[str, str], str]:
        """Return the status of each session, by the kind of its agent and its title."""
        report = self.tray.home.status()
        kinds = {server["id"]: server["agent_kind"] for server in report["servers"]}
        return {(kinds[each["server"]], each["title"]): each["status"] for each in report["sessions"]}

    def answer(self, title: str) -> None:
        """Allow the only request of a session once, with the command line."""
        report = self.tray.home.status()
        (request,) = next(each["requests"] for each in report["sessions"] if each["title"] == title)
        done = self.tray.home.run("reply", request["id"], "once", "--port", str(self.tray.home.port))
        assert done.returncode == 0, done.stderr + done.stdout


def start_opencode(tray: TrayWithIcon, folder: Path, model: ModelServer, project: str, title: str) -> OpenCode:
    """Start an OpenCode with one session."""
    environment = {
        "OPENCODE_MONITOR_PORT": str(tray.home.port),
        "OPENCODE_TRAY_TOKEN_FILE": str(tray.home.path / "data/opencode-tray/token"),
    }
    kind = type("Named", (OpenCode,), {"project_name": project})
    opencode: OpenCode = kind(NEWEST, folder / project, model.port, environment)
    opencode.serve()
    session = opencode.session()
    opencode.call("PATCH", f"/session/{session}", {"title": title})
    opencode.call("POST", f"/session/{session}/prompt_async", {"parts": [{"type": "text", "text": title}]})
    return opencode


@pytest.fixture
def agents(desk: Desk) -> Iterator[AllAgents]:
    desk.environment["GTK_THEME"] = "Adwaita"
    desk.start_panel(dark=True)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="tray-", ignore_cleanup_errors=True))
        )  # short: it contains a socket
        model = stack.enter_context(ModelServer())
        model.named.update(SCRIPTS)
        claude = stack.enter_context(Gateway(folder / "claude", model.port))
        codex = stack.enter_context(Compiler(folder / "codex", model.port))
        (folder / "tray").mkdir()
        tray = TrayWithIcon(desk, folder / "tray")
        stack.callback(tray.home.stop)
        tray.home.environment |= {
            "CLAUDE_CONFIG_DIR": str(claude.configuration),
            "CODEX_HOME": str(codex.configuration),
            "OPENCODE_TRAY_DISCOVERY_AGENTS": "1",
        }
        tray.restart()
        assert tray.home.run("install-hooks", "claude").returncode == 0
        for project, title in zip(("web-shop", "billing", "handbook"), SCRIPTS, strict=False):
            stack.enter_context(start_opencode(tray, folder, model, project, title))
        claude.tui()
        claude.submit("Add rate limits to the gateway")
        claude.start("-p", "Review the open pull requests", log="claude.log")
        codex.tui()
        codex.submit("Update the parser")
        codex.start("exec", "Profile the start", log="codex.log")
        yield AllAgents(tray, claude, codex)


def test_all_are_right_at_once_and_answered_in_one_place(agents: AllAgents) -> None:
    until(lambda: agents.statuses() == EXPECTED, "the sessions", 40)
    icon = agents.tray.icon(colour(Status.WAITING_FOR_PERMISSION))
    agents.tray.desk.open_menu(*icon)
    agents.tray.desk.screenshot("all-agents")
    agents.tray.desk.run("xdotool", "key", "Escape")
    asking = [title for (_, title), status in EXPECTED.items() if status == "waiting_for_permission"]
    for title in asking:
        agents.answer(title)
    answered = EXPECTED | {key: "completed" for key in EXPECTED if key[1] in asking}
    until(lambda: agents.statuses() == answered, "the end of the turns", 40)
    assert DIALOG not in agents.claude.terminal.screen()
    assert CODEX_DIALOG not in agents.codex.terminal.screen()
    assert (agents.codex.project / "parser.lock").exists()
    audit = (agents.tray.home.path / "data/opencode-tray/audit.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["result"] for line in audit.splitlines()].count("answered") == len(asking)
