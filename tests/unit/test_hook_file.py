"""The tray's hooks in the settings of an agent: added after all others, and removed without a trace."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from tray.agents.catalog import AGENTS
from tray.agents.commands import open_command
from tray.agents.hook_command import hook_command
from tray.agents.hook_file import HookFile
from tray.agents.json_editor import InvalidJsonError
from tray.core.servers import AgentKind


def command(agent: str, seconds: int) -> str:
    return hook_command(agent, "/home/user/hooks/socket", seconds)


def other_command(agent: str, seconds: int) -> str:
    return hook_command(agent, "/old/socket", seconds)


HOOK_FILE = HookFile("agent", "settings.json", {"Start": 1, "Stop": 1, "SessionEnd": 1})
FOREIGN = """{
  "model": "opus",
  "hooks": {
    "Stop": [
      {
        "hooks": [{"type": "command", "command": "say done"}]
      }
    ]
  }
}
"""


@pytest.mark.parametrize(
    "hook_file", [HOOK_FILE, *(agent.hooks for agent in AGENTS.values() if agent.hooks is not None)]
)
@pytest.mark.parametrize(
    "text", ["", "{}", "{\n}\n", '{"hooks": {}}', '{"hooks": {"Stop": []}}', '{"model":"opus"}', FOREIGN]
)
def test_the_removal_restores_the_settings_byte_for_byte(hook_file: HookFile, text: str):
    changed = hook_file.with_hooks(text, command)
    assert set(hook_file.installed(changed)) == set(hook_file.seconds)
    assert hook_file.with_hooks(changed, command) == changed
    assert hook_file.without_hooks(changed) == text


def test_foreign_hooks_stay_first():
    stop = json.loads(HOOK_FILE.with_hooks(FOREIGN, command))["hooks"]["Stop"]
    commands = [group["hooks"][0]["command"] for group in stop]
    assert [commands[0], len(commands)] == ["say done", 2]


def test_an_event_that_the_user_removed_stays_removed():
    value = json.loads(HOOK_FILE.with_hooks(FOREIGN, command))
    del value["hooks"]["SessionEnd"]
    text = json.dumps(value)
    assert HOOK_FILE.with_hooks(text, command) == text
    assert "SessionEnd" not in HOOK_FILE.installed(HOOK_FILE.with_hooks(text, other_command))


def test_hooks_for_another_socket_are_replaced():
    moved = HOOK_FILE.with_hooks(HOOK_FILE.with_hooks(FOREIGN, other_command), command)
    assert json.loads(moved) == json.loads(HOOK_FILE.with_hooks(FOREIGN, command))


def test_hooks_that_the_user_added_later_stay():
    value = json.loads(HOOK_FILE.with_hooks("", command))
    value["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": "later"}]})
    left = json.loads(HOOK_FILE.without_hooks(json.dumps(value, indent=2)))
    assert left == {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "later"}]}]}}


def test_a_hook_that_is_known_by_its_place_leaves_it_empty_and_takes_it_again():
    hook_file = replace(HOOK_FILE, seconds={"Stop": 1}, keeps_places=True)
    value = json.loads(hook_file.with_hooks(FOREIGN, command))
    value["hooks"]["Stop"].append({"hooks": [{"type": "command", "command": "later"}]})
    installed = json.dumps(value, indent=2)
    removed = hook_file.without_hooks(installed)
    assert [group["hooks"] for group in json.loads(removed)["hooks"]["Stop"]][1] == []
    assert json.loads(hook_file.with_hooks(removed, command)) == value
    assert hook_file.without_hooks(hook_file.with_hooks(removed, command)) == removed


@pytest.mark.parametrize("text", ["{", "[]", '{"hooks": []}', "// comment\n{}"])
def test_settings_that_cannot_be_read_are_refused(text: str):
    with pytest.raises(InvalidJsonError):
        HOOK_FILE.with_hooks(text, command)


@pytest.mark.parametrize("hooks", ['{"Stop": {}}', '{"Stop": [1, {"hooks": 2}, {"hooks": [3, {"command": 4}]}]}'])
def test_foreign_hooks_of_any_shape_are_no_hooks_of_the_tray(hooks: str):
    assert HOOK_FILE.installed(f'{{"hooks": {hooks}}}') == {}


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (AgentKind.CLAUDE, ["claude", "--resume", "ses"]),
        (AgentKind.CODEX, ["codex", "resume", "ses"]),
        (AgentKind.COPILOT, ["copilot", "--resume=ses"]),
        (AgentKind.QWEN, ["qwen", "--resume", "ses"]),
        (AgentKind.GEMINI, ["gemini", "--resume", "ses"]),
    ],
)
def test_each_agent_resumes_a_session_by_its_id(kind: AgentKind, command: list[str]):
    assert open_command(kind, "ses", "") == command
