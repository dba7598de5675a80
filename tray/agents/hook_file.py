"""The hooks of the tray in an agent's settings: a JSON file with groups of hooks for each event. Pure.

{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "…", "timeout": 5}]}]}}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from tray.agents.hook_command import OWN_URL
from tray.agents.json_editor import InvalidJsonError, Path, empty, insert, parse, remove

MARGIN = 1  # s that the agent waits for a hook after the limit of the hook itself

Group = Mapping[str, Any]  # of an event: a matcher, and hooks
HookCommand = Callable[[str, int], str]  # (agent, limit in s) -> the command of a hook
EMPTY_GROUP: Group = {"hooks": []}  # keeps the places of the groups after it


class OwnHook(msgspec.Struct, frozen=True):
    """A hook of the tray in the settings."""

    event: str
    number: int  # of its group, among those of its event
    index: int  # in its group
    fields: Mapping[str, Any]
    is_alone: bool  # whether its group has no other hook
    is_last: bool  # whether no group of its event comes after its own

    @property
    def command(self) -> str:
        """What the agent runs."""
        return str(self.fields["command"])

    @property
    def group(self) -> Path:
        """The path of its group."""
        return "hooks", self.event, self.number


class HookFile(msgspec.Struct, frozen=True):
    """How an agent stores hooks."""

    agent: str  # its name at the hook socket
    name: str  # of the file in the agent's folder
    seconds: Mapping[str, int]  # the events that are reported to the tray, and the limit of their hook in s
    unit: int = 1  # of the timeouts in the file: 1 for s, 1000 for ms
    fields: Mapping[str, str] = {}  # more fields of a hook
    matcher: str = ""  # of each group; "": the agent needs none
    comments: bool = False  # whether the agent accepts comments in the file
    keeps_places: bool = False  # whether the agent knows a hook by its place among those of its event

    def groups(self, command_of: HookCommand) -> dict[str, Group]:
        """Return the group of each event."""
        matcher = {"matcher": self.matcher} if self.matcher else {}
        return {
            event: {**matcher, "hooks": [self._hook(command_of, seconds)]} for event, seconds in self.seconds.items()
        }

    def _hook(self, command_of: HookCommand, seconds: int) -> dict[str, Any]:
        command = command_of(self.agent, seconds)
        return {**self.fields, "type": "command", "command": command, "timeout": (seconds + MARGIN) * self.unit}

    def installed(self, text: str) -> dict[str, str]:
        """Return the commands of the tray by event. Raises InvalidJsonError."""
        return {hook.event: hook.command for hook in self.own(text)}

    def with_hooks(self, text: str, command_of: HookCommand) -> str:
        """Return the text with the tray's hooks after all others. "" is a file that does not exist.

        Hooks of another version are replaced; an event that the user removed stays removed. Raises InvalidJsonError.
        """
        wanted = self.groups(command_of)
        found = self.installed(text) if text else {}
        commands = {event: group["hooks"][0]["command"] for event, group in wanted.items()}
        if found and all(commands.get(event) == command for event, command in found.items()):
            return text
        missing = {event: group for event, group in wanted.items() if not found or event in found}
        return self._added(self.without_hooks(text), missing)

    def without_hooks(self, text: str) -> str:
        """Return the text without the tray's hooks; "" if only they were in it. Raises InvalidJsonError."""
        while text and (own := next(self.own(text), None)) is not None:
            if self.keeps_places and own.is_alone and not own.is_last:
                text = empty(text, (*own.group, "hooks"), comments=self.comments)
            else:
                path = own.group if own.is_alone else (*own.group, "hooks", own.index)
                text = remove(text, path, comments=self.comments)
        return text

    def _added(self, text: str, groups: Mapping[str, Group]) -> str:
        for event, group in groups.items():
            if not text:
                text = json.dumps({"hooks": {event: [group]}}, indent=2) + "\n"
                continue
            hooks = _object(parse(text, comments=self.comments), "hooks")
            if hooks is None:
                text = insert(text, ("hooks",), {event: [group]}, comments=self.comments)
            elif event not in hooks:
                text = insert(text, ("hooks", event), [group], comments=self.comments)
            elif self.keeps_places and (place := _kept_place(hooks[event])) is not None:
                text = insert(text, ("hooks", event, place, "hooks", -1), group["hooks"][0], comments=self.comments)
            else:
                text = insert(text, ("hooks", event, -1), group, comments=self.comments)
        return text

    def own(self, text: str) -> Iterator[OwnHook]:
        """Yield the hooks of the tray. Raises InvalidJsonError."""
        for event, groups in (_object(parse(text, comments=self.comments), "hooks") or {}).items():
            for number, group in enumerate(groups if isinstance(groups, list) else ()):
                hooks = group.get("hooks") if isinstance(group, dict) else None
                hooks = hooks if isinstance(hooks, list) else []
                for index, hook in enumerate(hooks):
                    command = hook.get("command") if isinstance(hook, dict) else None
                    if isinstance(command, str) and OWN_URL in command:
                        is_alone, is_last = len(hooks) == 1, number == len(groups) - 1
                        yield OwnHook(event, number, index, hook, is_alone=is_alone, is_last=is_last)


def _kept_place(groups: Any) -> int | None:
    """Return the index of an empty group with others after it; None if there is none."""
    before_last = groups[:-1] if isinstance(groups, list) else []
    return before_last.index(EMPTY_GROUP) if EMPTY_GROUP in before_last else None


def _object(value: dict[str, Any], name: str) -> dict[str, Any] | None:
    found = value.get(name)
    if found is not None and not isinstance(found, dict):
        raise InvalidJsonError(f"{name!r} is not an object")
    return found
