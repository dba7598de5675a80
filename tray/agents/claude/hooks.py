"""Claude Code's hooks: the request that a hook reports, and the outputs that answer it.

Claude Code shows its own dialog while a hook of the main session runs, and takes the first answer. For a subagent, and
with `claude -p`, it waits for the hook before it asks the user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tray.core.answers import Verdict
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or
from tray.core.source_calls import CallError, CallErrorKind

PERMISSION_REQUEST = "PermissionRequest"
REJECTED = "The user rejected this."


class PermissionUpdate(msgspec.Struct, frozen=True, rename="camel"):
    """A change of Claude Code's permissions that it offers with a request."""

    type: str = ""
    behavior: str = ""
    destination: str = ""  # "session", "localSettings", "projectSettings" or "userSettings"
    directories: tuple[str, ...] = ()
    rules: tuple[_Rule, ...] = ()


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    tool_name: str = ""
    rule_content: str = ""


class HookPayload(msgspec.Struct, frozen=True):
    """What Claude Code writes to the standard input of a hook."""

    hook_event_name: str = ""
    session_id: str = ""
    agent_id: str = ""  # of a subagent
    tool_name: str = ""
    tool_input: msgspec.Raw = msgspec.Raw(b"{}")
    permission_suggestions: msgspec.Raw = msgspec.Raw(b"[]")

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the tool."""
        return decode_or(bytes(self.tool_input), dict[str, Any], {})

    @property
    def always(self) -> tuple[str, ...]:
        """What "always" would allow, one line for each rule or directory; empty if it is not offered."""
        update, _ = self._offered()
        if update is None:
            return ()
        until = "this session" if update.destination == "session" else update.destination
        rules = [f"{rule.tool_name}({rule.rule_content})" if rule.rule_content else rule.tool_name
                 for rule in update.rules]  # fmt: skip
        return tuple(f"{text} ({until})" for text in (*rules, *(f"access to {name}" for name in update.directories)))

    def _offered(self) -> tuple[PermissionUpdate | None, Any]:
        """Return the first offer that only allows more of the same, and its JSON value. A mode allows much more."""
        for raw in decode_or(bytes(self.permission_suggestions), list[msgspec.Raw], []):
            update = decode_or(bytes(raw), PermissionUpdate, PermissionUpdate())
            is_rule = update.type == "addRules" and update.behavior == "allow" and bool(update.rules)
            if is_rule or (update.type == "addDirectories" and update.directories):
                return update, decode(bytes(raw))
        return None, None

    # ------------------------------------------------------------------ outputs

    def allow(self, *, always: bool = False) -> bytes:
        """Return the output that allows the tool to run, once or always."""
        _, update = self._offered()
        return _output({"behavior": "allow", **({"updatedPermissions": [update]} if always and update else {})})

    def answer(self, answers: Sequence[Sequence[str]]) -> bytes:
        """Return the output that answers the questions, in order: the chosen labels, or the user's own texts."""
        arguments = self.arguments
        listed = arguments.get("questions")
        entries = listed if isinstance(listed, list) else []
        questions = [str(entry.get("question", "")) for entry in entries if isinstance(entry, dict)]
        texts = {question: ", ".join(chosen) for question, chosen in zip(questions, answers, strict=False)}
        return _output({"behavior": "allow", "updatedInput": {**arguments, "answers": texts}})

    def deny(self, message: str = "") -> bytes:
        """Return the output that rejects the tool; without a message it stops the turn, as *No* in the dialog does."""
        return _output({"behavior": "deny", "message": message or REJECTED, **({} if message else {"interrupt": True})})


def decode_hook(payload: bytes) -> HookPayload | None:
    """Return what a hook reports; None if it is not one of Claude Code's."""
    try:
        return decode(payload, HookPayload)
    except JSON_ERRORS:
        return None


def output_of(hook: HookPayload, method: str, params: Mapping[str, Any]) -> bytes:
    """Return the output that answers a hook, for a call of plugin/PROTOCOL.md. Raises CallError."""
    match method:
        case "permission.reply" if params["reply"] == Verdict.REJECT.value:
            return hook.deny(str(params.get("message", "")))
        case "permission.reply":
            return hook.allow(always=params["reply"] == Verdict.ALWAYS.value)
        case "question.reply":
            return hook.answer(params["answers"])
        case "question.reject":
            return hook.deny()
        case _:
            raise CallError(f"Claude Code does not support {method}", CallErrorKind.UNSUPPORTED)


def _output(decision: Mapping[str, Any]) -> bytes:
    output = {"hookSpecificOutput": {"hookEventName": PERMISSION_REQUEST, "decision": decision}}
    return json.dumps(output).encode()
