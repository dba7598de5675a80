"""The requests of Codex' daemon, from its recorded frames."""

from __future__ import annotations

from typing import Any

import pytest

from codex_recordings import frame_of, frames, results, rollout
from tray.agents.codex.asked import Asked
from tray.agents.codex.protocol import Initialized, RequestResolved, StatusChanged, ThreadAnswer
from tray.agents.codex.requests import TERMINAL_ONLY, asked, thread_id_of
from tray.core.lenient_json import decode
from tray.core.sessions import RequestKind

COMMAND, EDIT = "item/commandExecution/requestApproval", "item/fileChange/requestApproval"
QUESTION, MCP = "item/tool/requestUserInput", "mcpServer/elicitation/request"
NOW = 1_795_720_000_000


def recorded(method: str, end: str = "") -> Asked:
    (frame,) = frames(method)
    found = asked(frame, rollout(end) if end else None, NOW)
    assert found is not None
    return found


def made(method: str, **params: Any) -> Asked:
    frame = frame_of({"method": method, "id": 7, "params": {"threadId": "thread", "turnId": "turn", **params}})
    found = asked(frame, None, NOW)
    assert found is not None
    return found


def test_a_command_is_a_permission_without_its_shell() -> None:
    found = recorded(COMMAND)
    request = found.request
    assert (request.kind, request.title, request.detail) == (RequestKind.PERMISSION, "command", "touch a.txt")
    assert (request.complete, request.always, request.read_only_reason) == (True, ("touch a.txt *",), "")
    assert request.asked_at > NOW
    assert found.permission_result("once") == {"decision": "accept"}
    rule = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch", "a.txt"]}}
    assert found.permission_result("always") == {"decision": rule}
    assert found.permission_result("reject") == {"decision": "cancel"}


def test_an_edit_is_shown_with_its_patch_from_the_rollout() -> None:
    found = recorded(EDIT, '"custom_tool_call"')
    assert (found.request.title, found.request.detail) == ("edit", "*** Add File: f.txt\n+hello")
    assert found.request.complete
    assert found.permission_result("always") == {"decision": "acceptForSession"}


def test_an_edit_that_the_rollout_does_not_contain_is_incomplete() -> None:
    assert not recorded(EDIT).request.complete


def test_a_question_is_shown_with_its_options_and_answered_by_their_labels() -> None:
    found = recorded(QUESTION)
    (question,) = found.request.questions
    assert (found.request.kind, found.request.title, found.request.detail) == (
        RequestKind.QUESTION, "Colour", "Which colour?",
    )  # fmt: skip
    assert [option.label for option in question.options] == ["Red", "Blue"]
    assert question.custom
    assert found.question_result([["Blue"]]) == {"answers": {"colour": {"answers": ["Blue"]}}}


def test_a_secret_is_asked_for_in_the_terminal_only() -> None:
    found = made(QUESTION, questions=[{"id": "key", "question": "Which key?", "isSecret": True}])
    assert found.request.read_only_reason == TERMINAL_ONLY


@pytest.mark.parametrize(
    "params",
    [
        {"command": "x" * 3000},
        {"command": None},
        {"command": "make", "kind": "writeStdin"},
        {"command": "make", "additionalPermissions": {"network": {"enabled": True}}},
    ],
)
def test_a_command_that_is_not_shown_in_full_is_incomplete(params: dict[str, Any]) -> None:
    assert not made(COMMAND, **params).request.complete


def test_access_to_a_host_is_shown_as_its_address() -> None:
    rule = {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": "example.org", "action": "allow"}}}
    found = made(
        COMMAND,
        command="curl example.org",
        networkApprovalContext={"host": "example.org", "protocol": "https"},
        availableDecisions=["accept", rule, "cancel"],
    )
    assert (found.request.title, found.request.detail) == ("network", "https://example.org")
    assert (found.request.always, found.always) == (("example.org",), {"decision": rule})


def test_always_is_offered_only_if_codex_offers_it() -> None:
    found = made(COMMAND, command="make", availableDecisions=["accept", "cancel"])
    assert (found.request.always, found.permission_result("always")) == ((), None)


def test_more_permissions_are_granted_for_the_turn_or_the_session_or_not_at_all() -> None:
    wanted = {"fileSystem": {"write": ["/srv"]}, "network": None}
    found = made("item/permissions/requestApproval", permissions=wanted, reason="to write the report")
    granted = {"fileSystem": {"write": ["/srv"]}}
    assert "/srv" in found.request.detail
    assert found.permission_result("once") == {"permissions": granted, "scope": "turn"}
    assert found.permission_result("always") == {"permissions": granted, "scope": "session"}
    assert found.permission_result("reject") == {"permissions": {}, "scope": "turn"}


def test_an_mcp_server_that_asks_for_a_consent_can_be_answered_and_one_that_asks_for_data_cannot() -> None:
    form = {"mode": "form", "serverName": "files", "message": "Delete it?"}
    consent = made(MCP, **form, requestedSchema={"type": "object", "properties": {}})
    data = made(MCP, **form, requestedSchema={"type": "object", "properties": {"name": {"type": "string"}}})
    assert (consent.request.title, consent.request.detail, consent.request.complete) == ("files", "Delete it?", True)
    assert consent.permission_result("once") == {"action": "accept", "content": {}, "_meta": None}
    assert data.request.read_only_reason == TERMINAL_ONLY
    assert not data.request.complete


def test_other_requests_of_the_daemon_are_ignored() -> None:
    for method, params in (("attestation/generate", {}), (COMMAND, {"threadId": 5}), (QUESTION, {"threadId": "t"})):
        frame = frame_of({"method": method, "id": 1, "params": params})
        assert asked(frame, None, NOW) is None
    assert thread_id_of(frame_of({"method": COMMAND, "id": 1, "params": {}})) == ""


def test_the_recorded_notifications_have_the_expected_fields() -> None:
    (command,) = frames(COMMAND)
    resolved = [decode(bytes(frame.params), RequestResolved) for frame in frames("serverRequest/resolved")]
    assert command.id in [item.request_id for item in resolved]
    assert {item.thread_id for item in resolved} == {thread_id_of(command)}
    changes = [decode(bytes(frame.params), StatusChanged) for frame in frames("thread/status/changed")]
    flags = {flag for change in changes for flag in change.status.active_flags}
    assert flags == {"waitingOnApproval", "waitingOnUserInput"}
    assert {change.status.type for change in changes} == {"active", "idle", "systemError"}
    threads = [decode(result, ThreadAnswer).thread for result in results("thread")]
    assert all(thread.is_session for thread in threads)
    hidden = [decode(bytes(frame.params), ThreadAnswer).thread for frame in frames("thread/started")]
    assert hidden
    assert not any(thread.is_session for thread in hidden)
    assert decode(results("userAgent")[0], Initialized).version == "0.171.0"
