"""What Codex' daemon asks its clients on behalf of a thread, as requests, and the answers in its terms. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tray.agents.codex.asked import Asked
from tray.agents.codex.protocol import Frame, FrameId
from tray.agents.codex.rollout import Rollout
from tray.agents.tool_call import MAX_TEXT, describe
from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.numbers import moment
from tray.core.sessions import Option, Question, Request, RequestKind

MAX_QUESTIONS, MAX_OPTIONS = 20, 50  # that are kept
TERMINAL_ONLY = "Codex takes this answer only in its terminal"
ACCEPT, CANCEL, FOR_SESSION = "accept", "cancel", "acceptForSession"  # values of a decision
PATCH = "apply_patch"  # the tool that changes files
_PATCHED = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)
PATCH_MARKS = ("*** Begin Patch", "*** End Patch")


class _Asking(msgspec.Struct, rename="camel"):
    """The parameters that all requests have."""

    thread_id: str
    turn_id: str | None = None
    item_id: str = ""
    started_at_ms: int = 0
    reason: str | None = None


class _Network(msgspec.Struct):
    host: str = ""
    protocol: str = ""


class _Command(_Asking, rename="camel"):
    kind: str = "command"
    command: str | None = None
    network_approval_context: _Network | None = None
    additional_permissions: dict[str, Any] | None = None
    available_decisions: list[Any] | None = None


class _FileChange(_Asking, rename="camel"):
    grant_root: str | None = None


class _Permissions(_Asking, rename="camel"):
    permissions: dict[str, Any] | None = None


class _Elicitation(_Asking, rename="camel"):
    server_name: str = ""
    mode: str = ""
    message: str = ""
    requested_schema: dict[str, Any] | None = None


class _Option(msgspec.Struct):
    label: str = ""
    description: str = ""


class _Question(msgspec.Struct, rename="camel"):
    id: str = ""
    header: str = ""
    question: str = ""
    is_other: bool = False
    is_secret: bool = False
    options: list[_Option] | None = None


class _Questions(_Asking, rename="camel"):
    questions: list[_Question] = []


def asked(frame: Frame, rollout: Rollout | None, now: int) -> Asked | None:
    """Return a request of the daemon, or None for one that is not about a thread's work.

    `rollout` is that of the thread: it contains the changes of files. `now` is in ms since the Unix epoch.
    """
    raw, frame_id = bytes(frame.params), frame.id if frame.id is not None else ""
    try:
        match frame.method:
            case "item/commandExecution/requestApproval":
                return _command(decode(raw, _Command), frame_id, now)
            case "item/fileChange/requestApproval":
                return _file_change(decode(raw, _FileChange), frame_id, rollout, now)
            case "item/permissions/requestApproval":
                return _permissions(decode(raw, _Permissions), frame_id, now)
            case "mcpServer/elicitation/request":
                return _elicitation(decode(raw, _Elicitation), frame_id, now)
            case "item/tool/requestUserInput":
                return _questions(decode(raw, _Questions), frame_id, now)
    except JSON_ERRORS:
        return None
    return None


def unknown_request(thread_id: str, now: int) -> Asked:
    """Return a request whose content the daemon does not report."""
    request = _permission(_Asking(thread_id), "", "Codex", "waits for you", now)
    return Asked("", "", replace(request, id=f"{thread_id}-{now}", complete=False, read_only_reason=TERMINAL_ONLY))


def thread_id_of(frame: Frame) -> str:
    """Return the thread that a request is about, or ""."""
    try:
        return decode(bytes(frame.params), _Asking).thread_id
    except JSON_ERRORS:
        return ""


def _command(asking: _Command, frame_id: FrameId, now: int) -> Asked:
    network = asking.network_approval_context
    text = f"{network.protocol}://{network.host}" if network is not None else _without_shell(asking.command or "")
    is_known = asking.kind == "command" and bool(text) and len(text) <= MAX_TEXT and not asking.additional_permissions
    request = _permission(asking, frame_id, "network" if network is not None else "command", text, now)
    always, patterns = _always(asking.available_decisions or [])
    return Asked(
        frame_id,
        asking.turn_id or "",
        replace(request, complete=is_known, always=patterns),
        once=_decision(ACCEPT),
        always=always,
        reject=_decision(CANCEL),
    )


def _always(decisions: list[Any]) -> tuple[Any, tuple[str, ...]]:
    """Return the result for "always", and what it stores. (None, ()) if it is not offered."""
    for decision in decisions:
        match decision:
            case {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": [*words]}}:
                return _decision(decision), (f"{shlex.join(map(str, words))} *",)
            case {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": host, "action": "allow"}}}:
                return _decision(decision), (str(host),)
    if FOR_SESSION in decisions:
        return _decision(FOR_SESSION), ("the same again in this session",)
    return None, ()


def _file_change(asking: _FileChange, frame_id: FrameId, rollout: Rollout | None, now: int) -> Asked:
    call = rollout.running.get(asking.item_id) if rollout is not None else None
    patch = call.arguments.decode("utf-8", "replace") if call is not None else ""
    text = patch_text(patch)
    if asking.grant_root:
        text += f"\nand every change in {asking.grant_root} in this session"
    request = _permission(asking, frame_id, "edit", text, now)
    return Asked(
        frame_id,
        asking.turn_id or "",
        replace(request, complete=bool(patch) and len(text) <= MAX_TEXT, always=("these files in this session",)),
        once=_decision(ACCEPT),
        always=_decision(FOR_SESSION),
        reject=_decision(CANCEL),
    )


def patch_text(patch: str) -> str:
    """Return a patch without the lines that enclose it."""
    return "\n".join(line for line in patch.splitlines() if line.strip() not in PATCH_MARKS)


def patched_files(patch: str) -> list[str]:
    """Return the paths of the files that a patch adds, changes or deletes."""
    return [match[1].strip() for match in _PATCHED.finditer(patch)]


def _permissions(asking: _Permissions, frame_id: FrameId, now: int) -> Asked:
    wanted = {name: value for name, value in (asking.permissions or {}).items() if value is not None}
    text, is_complete = describe(wanted)
    request = _permission(asking, frame_id, "permissions", text, now)
    return Asked(
        frame_id,
        asking.turn_id or "",
        replace(request, complete=is_complete, always=("the same in this session",)),
        once={"permissions": wanted, "scope": "turn"},
        always={"permissions": wanted, "scope": "session"},
        reject={"permissions": {}, "scope": "turn"},
    )


def _elicitation(asking: _Elicitation, frame_id: FrameId, now: int) -> Asked:
    """A question of an MCP server. One that wants more than a consent is answered in the terminal."""
    request = _permission(asking, frame_id, asking.server_name[:MAX_TEXT] or "MCP server", asking.message, now)
    is_consent = asking.mode == "form" and not (asking.requested_schema or {}).get("properties")
    return Asked(
        frame_id,
        asking.turn_id or "",
        replace(
            request,
            complete=is_consent and len(asking.message) <= MAX_TEXT,
            read_only_reason="" if is_consent else TERMINAL_ONLY,
        ),
        once={"action": ACCEPT, "content": {}, "_meta": None},
        reject={"action": CANCEL, "content": None, "_meta": None},
    )


def _questions(asking: _Questions, frame_id: FrameId, now: int) -> Asked | None:
    listed = asking.questions[:MAX_QUESTIONS]
    if not listed:
        return None
    first = listed[0]
    request = Request(
        id=str(frame_id),
        session=asking.thread_id,
        kind=RequestKind.QUESTION,
        title=first.header[:MAX_TEXT] or "question",
        detail=first.question[:MAX_TEXT],
        questions=tuple(map(_question, listed)),
        asked_at=moment(asking.started_at_ms) or now,
        read_only_reason=TERMINAL_ONLY if any(question.is_secret for question in listed) else "",
    )
    return Asked(frame_id, asking.turn_id or "", request, question_ids=tuple(question.id for question in listed))


def _question(question: _Question) -> Question:
    options = (question.options or [])[:MAX_OPTIONS]
    return Question(
        question.question[:MAX_TEXT],
        question.header[:MAX_TEXT],
        tuple(Option(option.label[:MAX_TEXT], option.description[:MAX_TEXT]) for option in options),
        custom=question.is_other or not options,
    )


def _permission(asking: _Asking, frame_id: FrameId, title: str, text: str, now: int) -> Request:
    return Request(
        id=str(frame_id),
        session=asking.thread_id,
        kind=RequestKind.PERMISSION,
        title=title,
        detail=(text or asking.reason or "")[:MAX_TEXT],
        asked_at=moment(asking.started_at_ms) or now,
    )


def _decision(decision: str | Mapping[str, Any]) -> dict[str, Any]:
    return {"decision": decision}


def _without_shell(command: str) -> str:
    """Return the command that a shell runs for Codex: "/bin/bash -lc 'make test'" runs "make test"."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 and words[1] in ("-c", "-lc") else command
