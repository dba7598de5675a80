"""The *Agents* submenu: the agents found on this machine, and the next step of their setup."""

from __future__ import annotations

from collections.abc import Iterable

from tray.core.agent_setup import AgentSetup, HookState, HookUse
from tray.core.commands import InstallHooks, RunDoctor
from tray.core.text import shorten_path, wrap
from tray.surfaces.menu.items import Entry, Item

COLUMNS = 60

_STATES = {
    HookState.OBSERVED: "only observed",
    HookState.MISSING: "only observed: install its hooks to answer here",
    HookState.PARTLY: "some hooks were removed",
    HookState.OUTDATED: "hooks of another tray: install them again",
    HookState.UNTRUSTED: "its hooks wait for your trust",
    HookState.INSTALLED: "answered here",
    HookState.UNREADABLE: "its settings cannot be read: run Doctor",
}
_SPECIAL_STATES = {
    HookUse.SESSIONS: {
        HookState.OBSERVED: "not seen: its hooks are not supported here",
        HookState.MISSING: "not seen: install its hooks",
        HookState.INSTALLED: "seen by its hooks",
    },
    HookUse.WAITS: {
        HookState.OBSERVED: "answered here",
        HookState.MISSING: "answered here, without its daemon not seen: install its hooks",
    },
}


def agent_entries(setups: Iterable[AgentSetup]) -> tuple[Entry, ...]:
    """Return one line for each agent."""
    return tuple(map(_agent_item, setups))


def _agent_item(setup: AgentSetup) -> Item:
    states = _STATES if setup.use is None else {**_STATES, **_SPECIAL_STATES.get(setup.use, {})}
    label = f"{setup.kind.title}: {states[setup.hooks]}"
    if setup.hooks is HookState.UNREADABLE:
        return Item(setup.kind.value, label, RunDoctor())
    if setup.hooks is HookState.UNTRUSTED:
        step = f"To trust them, {setup.trust_step}"
        return Item(setup.kind.value, label, children=_lines("trust", step))
    if setup.hooks not in (HookState.MISSING, HookState.OUTDATED):
        return Item(setup.kind.value, label)
    about = f"Adds hooks to {shorten_path(setup.settings, COLUMNS - 14)}; opencode-tray uninstall-hooks removes them"
    confirm = Item("confirm", "Confirm: install", InstallHooks(setup.kind))
    return Item(setup.kind.value, label, children=(*_lines("about", about), confirm))


def _lines(name: str, text: str) -> tuple[Entry, ...]:
    return tuple(Item(f"{name}-{number}", line) for number, line in enumerate(wrap(text, COLUMNS)))
