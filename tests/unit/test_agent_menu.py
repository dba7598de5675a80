"""The *Agents* submenu: one line for each agent that was found, and the next step of its setup."""

from __future__ import annotations

import pytest

from tray.agents.codex.agent import CODEX
from tray.core.agent_setup import AgentSetup, HookState, HookUse
from tray.core.commands import Command, InstallHooks, RunDoctor
from tray.core.servers import AgentKind
from tray.surfaces.menu.agent_menu import agent_entries
from tray.surfaces.menu.items import Item, walk


@pytest.mark.parametrize("state", HookState)
def test_each_state_has_one_line_and_its_next_step(state: HookState):
    settings = "/home/user/.claude/settings.json"
    entries = agent_entries([AgentSetup(AgentKind.CLAUDE, state, HookUse.ANSWERS, settings)])
    (item,) = entries
    assert isinstance(item, Item)
    assert item.label.startswith("Claude Code: ")
    commands = [entry.command for entry in walk(entries) if entry.command is not None]
    expected: dict[HookState, Command] = {
        HookState.MISSING: InstallHooks(AgentKind.CLAUDE),
        HookState.OUTDATED: InstallHooks(AgentKind.CLAUDE),
        HookState.UNREADABLE: RunDoctor(),
    }
    assert commands == ([expected[state]] if state in expected else [])


def test_a_click_alone_installs_nothing():
    (item,) = agent_entries([AgentSetup(AgentKind.CLAUDE, HookState.MISSING, HookUse.ANSWERS, "/settings.json")])
    assert isinstance(item, Item)
    assert item.command is None
    assert [child.label for child in walk(item.children)][-1] == "Confirm: install"


@pytest.mark.parametrize(
    ("state", "text"), [(HookState.MISSING, "not seen"), (HookState.INSTALLED, "seen by its hooks")]
)
def test_an_agent_that_is_only_seen_by_its_hooks_is_not_called_answered(state: HookState, text: str):
    (item,) = agent_entries([AgentSetup(AgentKind.QWEN, state, HookUse.SESSIONS, "/settings.json")])
    assert isinstance(item, Item)
    assert text in item.label
    assert "answer" not in item.label


def test_an_agent_that_is_seen_without_hooks_is_observed():
    (item,) = agent_entries([AgentSetup(AgentKind.COPILOT, HookState.OBSERVED)])
    assert isinstance(item, Item)
    assert item.label == "Copilot CLI: only observed"


def test_hooks_without_trust_name_the_step():
    setup = AgentSetup(AgentKind.CODEX, HookState.UNTRUSTED, HookUse.WAITS, "/hooks.json", CODEX.trust.step)
    (item,) = agent_entries([setup])
    assert isinstance(item, Item)
    assert item.label == "Codex CLI: its hooks wait for your trust"
    text = "".join(child.label for child in walk(item.children)).replace("↪ ", " ")
    assert " ".join(text.split()) == 'To trust them, start codex and choose "Trust all and continue"'


def test_codex_is_answered_without_hooks():
    (item,) = agent_entries([AgentSetup(AgentKind.CODEX, HookState.MISSING, HookUse.WAITS, "/hooks.json")])
    assert isinstance(item, Item)
    assert item.label.startswith("Codex CLI: answered here")
