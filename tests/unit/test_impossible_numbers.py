"""Numbers of agents that cannot be true are unknown: the state is shown and kept, and all other numbers count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from replay import SERVER
from tray.agents.claude.inference import snapshot as claude_snapshot
from tray.agents.claude.limits import RefusedLimit
from tray.agents.claude.registry import RegistryEntry
from tray.agents.claude.transcript import Transcript
from tray.agents.codex.protocol import Thread
from tray.agents.codex.rollout import Rollout
from tray.agents.copilot.events import Events
from tray.agents.gemini.chat import Chat
from tray.core.events import Event, ServerConnected
from tray.core.fleet import Fleet
from tray.core.messages import Tokens
from tray.core.numbers import MAX_TOKENS
from tray.sources.agents.codex_thread import DaemonThread
from tray.sources.plugin.handshake import decode_hello
from tray.storage.cache import encode_cache

HUGE = 2**70
NOW = 1_790_000_000_000


def fed(agent: Any, *lines: dict[str, Any]) -> Any:
    for line in lines:
        agent.add(json.dumps(line).encode())
    return agent


def claude(count: int) -> Tokens:
    usage = {"input_tokens": count, "output_tokens": 5}
    line = {"type": "assistant", "uuid": "u", "message": {"id": "m", "content": "x", "usage": usage}}
    return fed(Transcript(), line).usage.total


def codex(count: int) -> Tokens:
    usage = {"input_tokens": count, "output_tokens": 5}
    return fed(Rollout(), {"type": "token_usage_record", "payload": {"response_id": "r", "usage": usage}}).tokens


def copilot(count: int) -> Tokens:
    usage = {"usage": {"inputTokens": count, "outputTokens": 5}}
    return fed(Events(), {"type": "session.usage_record", "data": usage}).tokens


def gemini(count: int) -> Tokens:
    return fed(Chat(), {"id": "a", "type": "gemini", "tokens": {"input": count, "output": 5}}).tokens


@pytest.mark.parametrize("read", [claude, codex, copilot, gemini])
@pytest.mark.parametrize("count", [HUGE, -1, MAX_TOKENS + 1])
def test_a_count_of_tokens_that_cannot_be_true_is_left_out(read: Any, count: int) -> None:
    assert read(count) == Tokens(0, 5)
    assert read(7) == Tokens(7, 5)


def kept(*events: Event) -> str:
    fleet = Fleet()
    for event in (ServerConnected(SERVER), *events):
        fleet.apply(event, NOW)
    return encode_cache(fleet)


def test_a_time_of_claude_code_that_cannot_be_true_is_unknown() -> None:
    error = {"type": "system", "subtype": "api_error", "retryAttempt": HUGE, "retryInMs": 1e308}
    transcript = fed(
        Transcript(), error, {**error, "error": {"rateLimits": {"rateLimitType": "five_hour", "resetsAt": 1e308}}}
    )
    entry = RegistryEntry(7, "ses", status="busy", started_at=HUGE, status_updated_at=-HUGE)
    assert '"ses"' in kept(claude_snapshot(SERVER.id, entry, transcript))
    assert RefusedLimit("five_hour", 1e308).limit is not None


def test_a_time_of_codex_that_cannot_be_true_is_unknown() -> None:
    state = DaemonThread(Thread("t", created_at=HUGE, updated_at=-HUGE)).state(NOW)
    assert (state.created, state.updated) == (0, 0)
    window = {"used_percent": 5, "window_minutes": HUGE, "resets_at": HUGE}
    event = {"type": "token_count", "model_context_window": HUGE, "rate_limits": {"primary": window}}
    rollout = fed(Rollout(), {"type": "event_msg", "payload": event})
    assert (rollout.context_size, [limit.resets_at for limit in rollout.plan_limits]) == (0, [0])


def test_the_clock_of_a_plugin_that_cannot_be_true_is_unknown() -> None:
    hello = {"type": "hello", "serverId": "h-7", "protocol": 2, "nonce": "0" * 64, "instance": "a", "time": 2**64}
    server = decode_hello(json.dumps(hello).encode()).to_server(SERVER.id, "127.0.0.1", verified=True, at=NOW)
    assert server.clock_skew == 0
    assert kept(ServerConnected(server))
