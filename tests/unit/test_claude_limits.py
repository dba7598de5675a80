"""Limits of the user's plan that Claude Code knows: in its state file, and from a refused request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_lines import AT, answer, prompt, text, transcript
from tray.agents.claude.inference import snapshot
from tray.agents.claude.limits import LimitsFile, state_file, with_refused
from tray.agents.claude.registry import RegistryEntry
from tray.core.plan_limits import PlanLimit

NOW = 1_795_647_400_000  # 2026-11-25T22:56:40Z
HOUR = 3_600_000
SHORT, LONG = {"utilization": 37.5, "resets_at": "2026-11-26T00:56:40+00:00"}, {"utilization": 12, "resets_at": None}
LIMITS = (PlanLimit("5 hours", 37.5, NOW + 2 * HOUR), PlanLimit("7 days", 12))
REFUSED = PlanLimit("5 hours", 100, NOW + HOUR)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".claude.json"


def write(path: Path, fetched_at: Any = NOW, **windows: Any) -> None:
    state = {"numStartups": 3, "cachedUsageUtilization": {"fetchedAtMs": fetched_at, "utilization": windows}}
    path.write_text(json.dumps(state), encoding="utf-8")


def refusal(limits: Any) -> dict[str, Any]:
    error = {"formatted": "429 limit", "rateLimits": limits}
    return {"type": "system", "subtype": "api_error", "timestamp": AT, "retryInMs": 500, "error": error}


def test_the_state_file_contains_the_limits_that_claude_code_fetched(path: Path) -> None:
    write(path, five_hour=SHORT, seven_day=LONG, seven_day_opus=None, extra_usage={"is_enabled": False}, limits=[])
    assert LimitsFile(path).read(NOW) == LIMITS


def test_limits_are_left_out_once_they_are_reset_or_an_hour_old(path: Path) -> None:
    write(path, NOW + HOUR, five_hour=SHORT, seven_day=LONG)
    file = LimitsFile(path)
    assert [file.read(at) for at in (NOW, NOW + 2 * HOUR, NOW + 2 * HOUR + 1)] == [LIMITS, LIMITS[1:], ()]


def test_a_changed_state_file_is_read_again(path: Path) -> None:
    file = LimitsFile(path)
    assert file.read(NOW) == ()
    write(path, seven_day=LONG)
    assert file.read(NOW) == LIMITS[1:]
    write(path, five_hour=SHORT, seven_day=LONG)
    assert file.read(NOW) == LIMITS


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"cachedUsageUtilization": null}', '{"cachedUsageUtilization": {"utilization": [1]}}'],
)
def test_a_state_file_of_another_shape_contains_no_limits(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    assert LimitsFile(path).read(NOW) == ()


def test_a_window_of_another_shape_is_left_out(path: Path) -> None:
    write(path, five_hour={"utilization": "much"}, seven_day=LONG, seven_day_sonnet=7)
    assert LimitsFile(path).read(NOW) == LIMITS[1:]


def test_a_refused_request_names_the_limit_until_the_next_answer() -> None:
    refused = refusal({"rateLimitType": "five_hour", "resetsAt": (NOW + HOUR) // 1000})
    assert transcript(prompt("do it"), refused).refused == REFUSED
    assert transcript(refused, answer(text("API Error"), isApiErrorMessage=True)).refused == REFUSED
    assert transcript(refused, answer(text("done"))).refused is None


@pytest.mark.parametrize("limits", [None, {}, [], {"rateLimitType": "overage", "resetsAt": 1}, {"resetsAt": "x"}])
def test_a_refusal_without_a_limit_of_the_plan_is_only_a_retry(limits: Any) -> None:
    read = transcript(refusal(limits))
    assert (read.refused, read.retry and read.retry.message) == (None, "429 limit")


def test_the_refused_limit_replaces_the_one_of_the_file_until_it_is_reset() -> None:
    assert with_refused(LIMITS, REFUSED, NOW) == (REFUSED, LIMITS[1])
    assert with_refused(LIMITS, REFUSED, NOW + HOUR) == LIMITS
    assert with_refused(LIMITS, None, NOW) == LIMITS


def test_a_snapshot_reports_the_limits() -> None:
    assert snapshot("server", RegistryEntry(7, "ses"), transcript(), plan_limits=LIMITS).plan_limits == LIMITS


def test_the_state_file_is_in_the_home_or_in_the_configured_folder() -> None:
    assert state_file({}, Path("/h")) == Path("/h/.claude.json")
    assert state_file({"CLAUDE_CONFIG_DIR": "/c"}, Path("/h")) == Path("/c/.claude.json")
